"""Computes what must arrive in Elimity Insights from Lucca's raw rows alone, as an independent check of the transform.

This module follows the specification's table, compares dates as text and uses none of the target's code.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any


def expected_entities(
    users: Sequence[Mapping[str, Any]], contracts: Sequence[Mapping[str, Any]], today: date
) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the name and attributes of every employee, by id. Dates and timestamps are ISO text."""
    owned: dict[int, list[Mapping[str, Any]]] = {}
    for contract in contracts:
        owned.setdefault(contract["ownerId"], []).append(contract)
    return {
        str(user["id"]): (_name(user), _attributes(user, owned.get(user["id"], []), today.isoformat()))
        for user in users
    }


def _name(user: Mapping[str, Any]) -> str:
    first_and_last = " ".join(user[part] for part in ("firstName", "lastName") if _filled(user[part]))
    return str(next(name for name in (user["name"], first_and_last, user["login"], str(user["id"])) if _filled(name)))


def _attributes(user: Mapping[str, Any], contracts: list[Mapping[str, Any]], today: str) -> dict[str, str]:
    department, manager = user["department"] or {}, user["manager"] or {}
    candidates = {
        "login": user["login"],
        "email": user["mail"],
        "firstName": user["firstName"],
        "lastName": user["lastName"],
        "jobTitle": user["jobTitle"],
        "employeeNumber": user["employeeNumber"],
        "department": department.get("name"),
        "departmentCode": department.get("code"),
        "legalEntity": (user["legalEntity"] or {}).get("name"),
        "managerId": manager.get("id") and str(manager["id"]),
        "managerName": manager.get("name"),
        "managerEmail": manager.get("mail"),
        "seniorityDate": user["seniorityDate"] and user["seniorityDate"][:10],
        "contractStartDate": user["dtContractStart"] and user["dtContractStart"][:10],
        "endDate": user["dtContractEnd"] and user["dtContractEnd"][:10],
        "lastModified": user["modifiedAt"] and user["modifiedAt"][:19],
        "status": "inactive" if user["dtContractEnd"] and user["dtContractEnd"][:10] < today else "active",
        "primaryRole": (user["rolePrincipal"] or {}).get("name"),
        "secondaryRoles": ", ".join(sorted(role["name"] for role in user["habilitedRoles"] or ())),
        "contractType": _contract_type(contracts, today),
    }
    return {name: value for name, value in candidates.items() if _filled(value)}


def _contract_type(contracts: list[Mapping[str, Any]], today: str) -> str | None:
    marked = [contract for contract in contracts if contract["isApplicable"]]
    by_start = sorted(contracts, key=lambda contract: str(contract["startsOn"]))
    ongoing = [
        row for row in by_start if row["startsOn"] <= today and (row["endsOn"] is None or row["endsOn"] >= today)
    ]
    upcoming = [row for row in by_start if row["startsOn"] > today]
    for choice in (marked, ongoing, upcoming, by_start[-1:]):
        if choice:
            return str(choice[0]["type"]["name"] if "type" in choice[0] else choice[0]["typeId"])
    return None


def _filled(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""
