"""Operations: work of the daemon that outlasts its request."""

import msgspec

from kronkeep_common import api, error_codes, errors
from kronkeep_common.client.connection import Connection, Query, path_part


class OperationCalls:
    """`client.operations`: the newest thousand are kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(self, limit: int | None = None) -> api.ListOf[api.Operation]:
        """Return the newest operations."""
        return await self._connection.get("/v1/operations", api.ListOf[api.Operation], {"limit": limit})

    async def get(self, operation_id: str) -> api.Operation:
        """Return one operation; raise OperationNotFound."""
        return await self._connection.get(f"/v1/operations/{path_part(operation_id)}", api.Operation)


async def run_operation(
    connection: Connection,
    path: str,
    body: msgspec.Struct | None = None,
    *,
    query: Query | None = None,
    poll_seconds: float = 0.2,
) -> api.Operation:
    """Start an operation with a POST request and return it when it has ended, well or not."""
    operation = await connection.post(path, api.Operation, body, query=query)
    operations = OperationCalls(connection)
    while operation.status == "running":
        await connection.pause(poll_seconds)
        operation = await operations.get(operation.id)
    return operation


async def complete_operation(
    connection: Connection, path: str, body: msgspec.Struct | None = None, *, query: Query | None = None
) -> api.Operation:
    """Run an operation to its end; raise the error that it failed with."""
    operation = await run_operation(connection, path, body, query=query)
    if operation.status == "failed":
        kind = error_codes.error_of_code(operation.reason or errors.Internal.code)
        raise kind(operation.message or "It failed.", next_step=operation.next_step)
    return operation
