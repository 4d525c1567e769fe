"""The floor of target-elimity: read the lines, join in memory, encode the snapshot, compress it, write it to a file.

It does only the necessary work, with the fastest libraries: no validation, no completeness check, no bound on memory.
"""

import sys
import zlib
from pathlib import Path
from typing import Any

import msgspec

TEXTS = (
    ("login", ("login",)),
    ("email", ("mail",)),
    ("firstName", ("firstName",)),
    ("lastName", ("lastName",)),
    ("jobTitle", ("jobTitle",)),
    ("employeeNumber", ("employeeNumber",)),
    ("department", ("department", "name")),
    ("departmentCode", ("department", "code")),
    ("legalEntity", ("legalEntity", "name")),
    ("managerId", ("manager", "id")),
    ("managerName", ("manager", "name")),
    ("managerEmail", ("manager", "mail")),
    ("primaryRole", ("rolePrincipal", "name")),
)
DATES = (("seniorityDate", "seniorityDate"), ("contractStartDate", "dtContractStart"), ("endDate", "dtContractEnd"))


def assignment(name: str, kind: str, value: object) -> dict[str, object]:
    """Return an attribute assignment in wire format."""
    return {"attributeTypeId": name, "value": {"type": kind, "value": value}}


def entity(user: dict[str, Any], contract: dict[str, Any] | None) -> dict[str, object]:
    """Return the entity of a user in wire format."""
    assignments = []
    for name, path in TEXTS:
        value: Any = user
        for key in path:
            value = value and value.get(key)
        if value:
            assignments.append(assignment(name, "string", str(value)))
    for name, field in DATES:
        if text := user.get(field):
            day = {"year": int(text[:4]), "month": int(text[5:7]), "day": int(text[8:10])}
            assignments.append(assignment(name, "date", day))
    if text := user.get("modifiedAt"):
        parts = (
            ("year", 0, 4),
            ("month", 5, 7),
            ("day", 8, 10),
            ("hour", 11, 13),
            ("minute", 14, 16),
            ("second", 17, 19),
        )
        assignments.append(assignment("lastModified", "dateTime", {part: int(text[i:j]) for part, i, j in parts}))
    end = user.get("dtContractEnd")
    assignments.append(assignment("status", "string", "inactive" if end and end < "2026" else "active"))
    if roles := ", ".join(sorted(role["name"] for role in user.get("habilitedRoles") or ())):
        assignments.append(assignment("secondaryRoles", "string", roles))
    if contract:
        kind = (contract.get("type") or {}).get("name") or str(contract.get("typeId"))
        assignments.append(assignment("contractType", "string", kind))
    return {"attributeAssignments": assignments, "id": str(user["id"]), "name": user["name"] or "", "type": "employee"}


def main(output: str) -> None:
    """Read Singer messages from standard input and write a compressed snapshot."""
    users: list[dict[str, Any]] = []
    applicable: dict[int, dict[str, Any]] = {}
    decode = msgspec.json.Decoder().decode
    for line in sys.stdin.buffer:
        message = decode(line)
        if message["type"] != "RECORD":
            continue
        record = message["record"]
        if message["stream"] == "users":
            users.append(record)
        elif record["isApplicable"] or record["ownerId"] not in applicable:
            applicable[record["ownerId"]] = record
    encode, compressor = msgspec.json.Encoder().encode, zlib.compressobj()
    with Path(output).open("wb") as file:
        file.write(compressor.compress(b'{"entities":['))
        for number, user in enumerate(users):
            separator = b"," if number else b""
            file.write(compressor.compress(separator + encode(entity(user, applicable.get(user["id"])))))
        file.write(compressor.compress(b'],"relationships":[]}'))
        file.write(compressor.flush())


if __name__ == "__main__":
    main(*sys.argv[1:])
