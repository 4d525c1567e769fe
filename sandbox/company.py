"""Generates a made-up company as Lucca holds it."""

import gc
from dataclasses import dataclass, field
from datetime import date
from itertools import permutations
from random import Random

from sandbox.awkward import CASES, SLOTS, Case, Person, as_manager
from sandbox.rows import Department, Embedded, Manager, Reference, User, WorkContract

HOST = "https://lucca.example"
FIRST_NAMES = ("Alice", "Bruno", "Claire", "David", "Emma", "Hugo", "Ines", "Jan", "Karim", "Lea", "Marie")
LAST_NAMES = ("Adam", "Bonnet", "Claes", "Dubois", "Fabre", "Garcia", "Janssens", "Leroy", "Maes", "Rossi")
JOB_TITLES = (
    "Accountant",
    "Buyer",
    "Consultant",
    "Data Analyst",
    "Developer",
    "HR Officer",
    "Sales Manager",
    "Technician",
)
CONTRACT_TYPES: tuple[Embedded, ...] = (
    {"id": 1, "name": "CDI"},
    {"id": 2, "name": "CDD"},
    {"id": 3, "name": "Stage"},
    {"id": 4, "name": "Apprentissage"},
    {"id": 5, "name": "Intérim"},
)
ESTABLISHMENTS: tuple[Embedded, ...] = (
    {"id": 11, "name": "Paris"},
    {"id": 12, "name": "Nantes"},
    {"id": 13, "name": "Bruxelles"},
)
SPC: Embedded = {"id": 1, "name": "Cadres"}
TIMES = ("T08:30:00", "T09:05:41.2", "T10:20:06.583", "T13:00:00", "T17:48:18.12", "T23:59:59")
CONTRACT_COUNTS = (1,) * 40 + (2,) * 30 + (3,) * 25 + (4,) * 5
FORMER, FUTURE, FIXED_TERM, ARCHIVED = 0.25, 0.02, 0.08, 0.01
TEAM = 8


def _reference(collection: str, number: int, name: str) -> Reference:
    return {"id": number, "name": name, "url": f"{HOST}/api/v3/{collection}/{number}"}


def _department(number: int, name: str, code: str) -> Department:
    return {"id": number, "name": name, "code": code, "url": f"{HOST}/api/v3/departments/{number}"}


LEGAL_ENTITIES = (_reference("legalEntities", 1, "Sandbox SAS"), _reference("legalEntities", 2, "Sandbox SRL"))
DEPARTMENTS = tuple(
    _department(number, name, code)
    for number, (name, code) in enumerate(
        [
            ("Finance", "FIN"),
            ("Human Resources", "HR"),
            ("IT", "IT"),
            ("Legal", "LEG"),
            ("Logistics", "LOG"),
            ("Marketing", "MKT"),
            ("Production", "PRD"),
            ("Sales", "SAL"),
        ],
        start=10,
    )
)
PRIMARY_ROLES = tuple(_reference("roles", 50 + n, name) for n, name in enumerate(["User", "Manager", "Administrator"]))
_ROLES = [
    _reference("roles", 60 + n, name)
    for n, name in enumerate(["Employee +", "Expense approver", "Payroll", "Recruiter", "Reporting, read only"])
]
SECONDARY_ROLES = [list(roles) for count in range(4) for roles in permutations(_ROLES, count)]


@dataclass(slots=True)
class Company:
    """The rows of Lucca, in ascending `id` order. Embedded objects are shared: replace them, don't edit them."""

    today: date
    users: list[User] = field(default_factory=list)
    work_contracts: list[WorkContract] = field(default_factory=list)
    archived_contracts: set[int] = field(default_factory=set)
    last_user_id: int = 100
    last_contract_id: int = 500

    def hire(self, count: int, random: Random) -> list[User]:
        """Add ordinary users with at least one work contract each, and return them."""
        return self._enter(count, random, {})

    def sign_contracts(self, count: int, random: Random) -> list[WorkContract]:
        """Add past work contracts of one day each to random users, and return the contracts."""
        employed = {row["ownerId"] for row in self.work_contracts}
        long_ago = self.today.toordinal() - 9000 - len(self.work_contracts)
        signed: list[WorkContract] = []
        for day in range(long_ago - (count if self.users else 0), long_ago):
            owner = random.choice(self.users)["id"]
            contract = _work_contract(owner, day, day, random)
            contract["isApplicable"] = owner not in employed
            employed.add(owner)
            signed.append(contract)
        self._file(signed, random)
        return signed

    def delete_users(self, ids: set[int]) -> None:
        """Delete these users and their work contracts."""
        self.users = [user for user in self.users if user["id"] not in ids]
        self.delete_contracts({row["id"] for row in self.work_contracts if row["ownerId"] in ids})

    def delete_contracts(self, ids: set[int]) -> None:
        """Delete these work contracts."""
        self.work_contracts = [row for row in self.work_contracts if row["id"] not in ids]
        self.archived_contracts -= ids

    def _enter(self, count: int, random: Random, cases: dict[int, list[Case]]) -> list[User]:
        """Add people. `cases` maps the positions of awkward people, counted from 0, to their cases."""
        entered: list[User] = []
        contracts: list[WorkContract] = []
        archived: list[WorkContract] = []
        manager: Manager | None = None
        leaver: User | None = None
        for position in range(count):
            self.last_user_id += random.randint(1, 3)
            if position % TEAM == 0 and self.users:
                manager = as_manager(self.users[len(self.users) // TEAM])
            person = _person(self.last_user_id, manager, leaver, self.today, random)
            for case in cases.get(position, ()):
                case.change(person)
            if has_left(person.user, self.today):
                leaver = person.user
            self.users.append(person.user)
            entered.append(person.user)
            contracts += person.contracts
            archived += person.archived
        self._file(contracts + archived, random)
        self.archived_contracts.update(row["id"] for row in archived)
        return entered

    def _file(self, contracts: list[WorkContract], random: Random) -> None:
        """Shuffle the contracts, give them ascending ids, and store them."""
        random.shuffle(contracts)
        for contract in contracts:
            self.last_contract_id += random.randint(1, 3)
            contract["id"] = self.last_contract_id
        self.work_contracts += contracts


def generate_company(employees: int, seed: int, today: date) -> Company:
    """Generate a company. Equal arguments give equal companies. From 25 employees on, it has every awkward case."""
    company = Company(today)
    # Garbage collection would take most of the time: it scans ever more rows, and none of them is garbage.
    collects = gc.isenabled()
    gc.disable()
    try:
        company._enter(employees, Random(seed), _cases_by_position(employees))  # noqa: SLF001 - same module
    finally:
        if collects:
            gc.enable()
    return company


def has_left(user: User, today: date) -> bool:
    """Whether the last day of employment is before today."""
    last_day = user["dtContractEnd"]
    return last_day is not None and last_day[:10] < today.isoformat()


def _cases_by_position(employees: int) -> dict[int, list[Case]]:
    """Spread the awkward cases over the company."""
    step = max(employees // SLOTS, 1)
    positions: dict[int, list[Case]] = {}
    for number, case in enumerate(CASES):
        positions.setdefault(number % SLOTS * step, []).append(case)
    return positions


def _person(number: int, manager: Manager | None, leaver: User | None, today: date, random: Random) -> Person:
    """Make an ordinary employee: one in four has left, a few start in the future."""
    now = today.toordinal()
    stage = random.random()
    contracts_left = random.choice(CONTRACT_COUNTS)
    end: int | None = None
    if stage < FORMER:
        end = now - random.randint(1, 3000)
        start = end - random.randint(30, 1500)
    elif stage < FORMER + FUTURE:
        start = now + random.randint(1, 90)
        contracts_left = 1
    else:
        start = now - random.randint(0, 3000)
        if stage > 1 - FIXED_TERM:
            end = now + random.randint(1, 600)
    contracts = [_work_contract(number, start, end, random)]
    contracts[0]["isApplicable"] = True
    seniority = start
    for _ in range(contracts_left - 1):
        earlier_end = seniority - 1
        seniority = earlier_end - random.randint(30, 800)
        contracts.insert(0, _work_contract(number, seniority, earlier_end, random))
    user = _user(number, manager, random)
    user["dtContractStart"] = f"{_day(start)}T00:00:00"
    user["dtContractEnd"] = f"{_day(end)}T00:00:00" if end else None
    user["seniorityDate"] = f"{_day(seniority)}T00:00:00"
    user["modifiedAt"] = _day(now - random.randint(0, 700)) + random.choice(TIMES)
    archived = []
    if random.random() < ARCHIVED:
        archived.append(_work_contract(number, start, end, random))
    return Person(user, contracts, archived, today, leaver)


def _user(number: int, manager: Manager | None, random: Random) -> User:
    first_name, last_name = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    login = f"{first_name}.{last_name}{number}".lower()
    legal_entity, department = random.choice(LEGAL_ENTITIES), random.choice(DEPARTMENTS)
    return {
        "id": number,
        "url": f"{HOST}/api/v3/users/{number}",
        "name": f"{first_name} {last_name}",
        "displayName": f"{last_name} {first_name}",
        "modifiedAt": "",
        "lastName": last_name,
        "firstName": first_name,
        "login": login,
        "mail": f"{login}@mail.example",
        "jobTitle": random.choice(JOB_TITLES),
        "employeeNumber": f"{number:05}",
        "dtContractStart": "",
        "dtContractEnd": None,
        "seniorityDate": "",
        "legalEntityID": legal_entity["id"],
        "legalEntity": legal_entity,
        "departmentID": department["id"],
        "department": department,
        "managerID": manager and manager["id"],
        "manager": manager,
        "rolePrincipal": random.choice(PRIMARY_ROLES),
        "habilitedRoles": random.choice(SECONDARY_ROLES),
        "birthDate": f"{1960 + number % 45}-{1 + number % 12:02}-{1 + number % 28:02}T00:00:00",
        "address": f"{number} rue des Lilas, 44000 Nantes",
        "personalEmail": f"{login}@home.example",
        "personalMobile": f"+33 6{number:08}",
        "bankName": "Banque de la Loire",
        "iban": f"FR76{number:023}",
        "socialSecurityNumber": f"1850578{number:08}",
        "gender": random.choice(("Female", "Male")),
        "nationality": "Luxembourgish",
        "picture": f"{HOST}/api/v3/users/{number}/picture",
        "extendedData": f"shoe size {30 + number % 17}, badge {number}",
    }


def _work_contract(owner: int, start: int, end: int | None, random: Random) -> WorkContract:
    """Make a contract between two days, given as proleptic ordinals. `_file` sets its id."""
    kind, establishment = random.choice(CONTRACT_TYPES), random.choice(ESTABLISHMENTS)
    starts_on = _day(start)
    return {
        "id": 0,
        "ownerId": owner,
        "startsOn": starts_on,
        "endsOn": _day(end) if end else None,
        "isApplicable": False,
        "establishmentId": establishment["id"],
        "spcId": SPC["id"],
        "typeId": kind["id"],
        "hiringTypeId": 3,
        "terminationReasonId": 2 if end else None,
        "trialPeriodDays": 120,
        "renewedTrialPeriodDays": None,
        "trialPeriodEndDate": None,
        "trialPeriodEndDate2": None,
        "authorId": 45,
        "lastModifierId": 45,
        "createdAt": f"{starts_on}T17:48:18.12",
        "lastModifiedAt": f"{starts_on}T17:48:18.12",
        "type": kind,
        "establishment": establishment,
        "spc": SPC,
    }


def _day(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()
