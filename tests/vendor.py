"""Builds entities with the vendor's client, to compare the target's snapshots with."""

from datetime import datetime

import elimity_insights_client as vendor
from target_elimity.attributes import ATTRIBUTES, Employee, Type


def entity(employee: Employee) -> vendor.Entity:
    """Return an employee as an entity of the vendor's client."""
    assignments = [
        vendor.AttributeAssignment(attribute.id, _value(attribute.type, value))
        for attribute, value in zip(ATTRIBUTES, employee.values, strict=True)
        if value is not None
    ]
    return vendor.Entity(assignments, employee.id, employee.name, "employee")


def _value(kind: Type, value: str) -> vendor.Value:
    if kind == "string":
        return vendor.StringValue(value)
    moment = datetime.fromisoformat(value)
    if kind == "date":
        return vendor.DateValue(moment.year, moment.month, moment.day)
    return vendor.DateTimeValue(
        vendor.DateTime(moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    )
