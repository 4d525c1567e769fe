"""The rows that Lucca's APIs return."""

from typing import NotRequired, TypedDict


class Reference(TypedDict):
    """An object embedded in a user."""

    id: int
    name: str
    url: str


class Department(Reference):
    """The department embedded in a user."""

    code: str | None


class Manager(TypedDict):
    """The manager embedded in a user."""

    id: int
    name: str | None
    mail: str | None
    url: str


class SensitiveFields(TypedDict):
    """The fields of a user that no client should request."""

    birthDate: str
    address: str
    personalEmail: str
    personalMobile: str
    bankName: str
    iban: str
    socialSecurityNumber: str
    gender: str
    nationality: str
    picture: str
    extendedData: str


SENSITIVE_FIELDS = tuple(SensitiveFields.__annotations__)


class User(SensitiveFields):
    """A user of the v3 API, with all its fields."""

    id: int
    url: str
    name: str | None
    displayName: str | None
    modifiedAt: str
    lastName: str | None
    firstName: str | None
    login: str
    mail: str | None
    jobTitle: str | None
    employeeNumber: str | None
    dtContractStart: str
    dtContractEnd: str | None
    seniorityDate: str
    legalEntityID: int
    legalEntity: Reference
    departmentID: int | None
    department: Department | None
    managerID: int | None
    manager: Manager | None
    rolePrincipal: Reference | None
    habilitedRoles: list[Reference]


class Embedded(TypedDict):
    """An object embedded in a work contract."""

    id: int
    name: str


class WorkContract(TypedDict):
    """A work contract of the v4 API. Some tenants omit the embedded objects."""

    id: int
    ownerId: int
    startsOn: str
    endsOn: str | None
    isApplicable: bool
    establishmentId: int
    spcId: int
    typeId: int
    hiringTypeId: int
    terminationReasonId: int | None
    trialPeriodDays: int
    renewedTrialPeriodDays: int | None
    trialPeriodEndDate: str | None
    trialPeriodEndDate2: str | None
    authorId: int
    lastModifierId: int
    createdAt: str
    lastModifiedAt: str
    type: NotRequired[Embedded]
    establishment: NotRequired[Embedded]
    spc: NotRequired[Embedded]
