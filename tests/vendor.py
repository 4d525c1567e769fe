"""Builds entities with the vendor's client, to compare the target's snapshots with."""

from datetime import date, datetime

import elimity_insights_client as vendor
from target_elimity.data_model import ATTRIBUTE_TYPES
from target_elimity.employees import Employee


def entity(employee: Employee) -> vendor.Entity:
    """Return an employee as an entity of the vendor's client."""
    assignments = [
        vendor.AttributeAssignment(attribute.id, _value(value))
        for attribute in ATTRIBUTE_TYPES
        if (value := getattr(employee, attribute.field)) is not None
    ]
    return vendor.Entity(assignments, employee.id, employee.name, "employee")


def _value(value: str | date | datetime) -> vendor.Value:
    if isinstance(value, str):
        return vendor.StringValue(value)
    if isinstance(value, datetime):
        moment = vendor.DateTime(value.year, value.month, value.day, value.hour, value.minute, value.second)
        return vendor.DateTimeValue(moment)
    return vendor.DateValue(value.year, value.month, value.day)
