"""The two streams: path, key, rights, schema, query and answer of each. No other module of the tap names a field."""

from typing import Any

import msgspec
from lucca_elimity_kit.http import decode
from singer_sdk import typing as th
from typing_extensions import override

from tap_lucca.pagination import OverlappingPagesWalk, OverlappingWalk, Page, Slice
from tap_lucca.projection import Projection
from tap_lucca.stream import LuccaStream


def _reference(*properties: th.Property[Any]) -> th.ObjectType:
    """Return the type of an embedded object: its id, its name and other properties."""
    return th.ObjectType(
        th.Property("id", th.IntegerType, description="Its id."),
        th.Property("name", th.StringType, description="Its name."),
        *properties,
    )


class _V3Body(msgspec.Struct):
    data: Page


_V3_DECODER = msgspec.json.Decoder(_V3Body)
_V4_DECODER = msgspec.json.Decoder(Page)
# In the words of docs/setup.md.
_RIGHTS_TO_USERS = {
    **dict.fromkeys(("name", "firstName", "lastName", "login", "mail", "modifiedAt"), "users of the directory"),
    "jobTitle": "View employee jobs",
    "manager": "View employee managers",
    **dict.fromkeys(("dtContractStart", "dtContractEnd"), "the start and end dates of contracts"),
    "legalEntity": "legal entity",
    "department": "department",
    **dict.fromkeys(("rolePrincipal", "habilitedRoles"), "roles"),
    "employeeNumber": "employee number",
    "seniorityDate": "seniority date",
}


class UsersStream(LuccaStream):
    """The people of the company, former employees included: https://developers.lucca.fr (directory v3, users)."""

    name = "users"
    path = "/api/v3/users"
    primary_keys = ("id",)
    walk_class = OverlappingWalk
    right = "to read users (and former employees) of the directory"
    rights = _RIGHTS_TO_USERS
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True, description="The user's id."),
        th.Property("name", th.StringType, description="First and last name."),
        th.Property("firstName", th.StringType, description="First name."),
        th.Property("lastName", th.StringType, description="Last name."),
        th.Property("login", th.StringType, description="The login in Lucca."),
        th.Property("mail", th.StringType, description="The professional mail address."),
        th.Property("jobTitle", th.StringType, description="Job title."),
        th.Property("employeeNumber", th.StringType, description="Employee number; leading zeros matter."),
        th.Property("department", _reference(th.Property("code", th.StringType, description="Its code."))),
        th.Property("legalEntity", _reference(), description="The employing legal entity."),
        th.Property(
            "manager",
            _reference(th.Property("mail", th.StringType, description="The manager's mail address.")),
            description="The direct manager; may be the user.",
        ),
        th.Property("rolePrincipal", _reference(), description="The primary role in Lucca."),
        th.Property("habilitedRoles", th.ArrayType(_reference(), nullable=True), description="Secondary roles."),
        th.Property("seniorityDate", th.DateTimeType, description="Start of seniority; midnight, without a zone."),
        th.Property("dtContractStart", th.DateTimeType, description="First day; midnight, without a zone."),
        th.Property("dtContractEnd", th.DateTimeType, description="Last day of employment; without a zone."),
        th.Property("modifiedAt", th.DateTimeType, description="Last change; Lucca names no zone."),
    ).to_dict()

    @override
    def url_params(self, page: Slice, projection: Projection) -> dict[str, str]:
        params = {
            "fields": f"{projection.to_v3()},collection.count",
            "orderBy": "id,asc",
            "paging": f"{page.offset},{page.limit}",
        }
        if self._tap.settings.former_employees:
            params["formerEmployees"] = "true"
        return params

    @property
    @override
    def left_out(self) -> dict[str, bool]:
        return {} if self._tap.settings.former_employees else {"former_employees": False}

    @override
    def page_in(self, body: bytes) -> Page:
        return decode(body, _V3_DECODER).data


class WorkContractsStream(LuccaStream):
    """The work contracts of the people: https://developers.lucca.fr (directory v4, work contracts)."""

    name = "work_contracts"
    path = "/directory/api/4.0/work-contracts"
    primary_keys = ("id",)
    walk_class = OverlappingPagesWalk
    right = "to read work contracts of the directory"
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True, description="The contract's id."),
        th.Property("ownerId", th.IntegerType, description="The id of the user whose contract it is."),
        th.Property("externalId", th.StringType, description="The id in another system."),
        th.Property("startsOn", th.DateType, description="First day."),
        th.Property("endsOn", th.DateType, description="Last day; null while it is open-ended."),
        th.Property(
            "isApplicable",
            th.BooleanType,
            description="True for one contract a person: the ongoing, else the first upcoming, else the last past one.",
        ),
        th.Property("typeId", th.IntegerType, description="The id of the contract's type."),
        th.Property("type", _reference(), description="The contract's type, where Lucca embeds it."),
        th.Property("establishmentId", th.IntegerType, description="The id of the establishment."),
        th.Property("createdAt", th.DateTimeType, description="Creation; Lucca names no zone."),
        th.Property("lastModifiedAt", th.DateTimeType, description="Last change; Lucca names no zone."),
    ).to_dict()

    @override
    def url_params(self, page: Slice, projection: Projection) -> dict[str, str]:
        # v4 has no projection: Lucca sends all fields, and the tap drops those that are not selected.
        return {
            "page": str(page.page_number),
            "limit": str(page.limit),
            "fields.root": "count",
            "isArchived": "false",
        }

    @override
    def page_in(self, body: bytes) -> Page:
        return decode(body, _V4_DECODER)
