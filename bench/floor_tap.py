"""The floor of tap-lucca: read the same pages of the same fields, and write each record as one line of JSON.

It does only the necessary work, with the fastest libraries: no schema, no checks, no retries, no rate limit.
"""

import sys

import msgspec
import requests

PAGE_SIZE = 1000
FIELDS = (
    "id,name,firstName,lastName,login,mail,jobTitle,employeeNumber,department[id,name,code],legalEntity[id,name],"
    "manager[id,name,mail],rolePrincipal[id,name],habilitedRoles[id,name],seniorityDate,dtContractStart,dtContractEnd,"
    "modifiedAt,collection.count"
)


def main(host: str, api_key: str) -> None:
    """Write all users and work contracts to standard output."""
    session = requests.Session()
    session.headers["Authorization"] = f"lucca application={api_key}"
    encode, write = msgspec.json.Encoder().encode, sys.stdout.buffer.write
    offset, total = 0, 1
    while offset < total:
        query = {"fields": FIELDS, "orderBy": "id,asc", "formerEmployees": "true", "paging": f"{offset},{PAGE_SIZE}"}
        data = msgspec.json.decode(session.get(f"{host}/api/v3/users", params=query, timeout=30).content)["data"]
        for row in data["items"]:
            write(encode({"type": "RECORD", "stream": "users", "record": row}) + b"\n")
        offset, total = offset + len(data["items"]), data["count"]
    page, seen, total = 1, 0, 1
    while seen < total:
        query = {"page": str(page), "limit": str(PAGE_SIZE), "fields.root": "count", "isArchived": "false"}
        url = f"{host}/directory/api/4.0/work-contracts"
        body = msgspec.json.decode(session.get(url, params=query, timeout=30).content)
        for row in body["items"]:
            write(encode({"type": "RECORD", "stream": "work_contracts", "record": row}) + b"\n")
        page, seen, total = page + 1, seen + len(body["items"]), body["count"]


if __name__ == "__main__":
    main(*sys.argv[1:])
