"""``bgpctl ipam``: pools, the blocks cut from them, who owns each, and how much is in use."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bgpd.cli import show
from bgpd.cli.etcd_options import ConfigOption, EndpointsOption, with_etcd
from bgpd.cli.output import DEGRADED, Output, OutputOption, print_answer
from bgpd.cli.show import Column
from bgpd.records import dataclass

if TYPE_CHECKING:
    from bgpd.datastore.etcd import Etcd
    from bgpd.datastore.resources.shapes import Document
    from bgpd.datastore.resources.usage import PoolUse

app = typer.Typer(help="Use of pools and blocks, from etcd.", no_args_is_help=True, rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class UseRow:
    """A pool or a block, as a line. node, state: of a block. borrowed: its addresses that other nodes use."""

    grouping: str
    name: str
    cidr: str
    node: str
    state: str
    total: int
    in_use: int
    borrowed: int

    @property
    def free(self) -> int:
        """Addresses that are not taken."""
        return self.total - self.in_use


USES: Final[Sequence[Column[UseRow]]] = (
    Column("GROUPING", lambda r: r.grouping),
    Column("NAME", lambda r: r.name or "-"),
    Column("CIDR", lambda r: r.cidr or "-"),
    Column("NODE", lambda r: r.node or "-"),
    Column("STATE", lambda r: r.state or "-"),
    Column("IPS TOTAL", lambda r: f"{r.total:.4g}" if r.total >= 1 << 40 else str(r.total), is_number=True),
    Column("IPS IN USE", lambda r: f"{r.in_use} ({100 * r.in_use // max(r.total, 1)}%)", is_number=True),
    Column("IPS FREE", lambda r: f"{r.free:.4g}" if r.free >= 1 << 40 else str(r.free), is_number=True),
    Column("BORROWED", lambda r: str(r.borrowed), is_wide=True, is_number=True),
)


@app.command("show")
def show_use(
    address: Annotated[str, typer.Option("--ip", help="Only who has this address.", show_default=False)] = "",
    output: OutputOption = Output.TABLE,
    endpoints: EndpointsOption = "",
    config: ConfigOption = None,
) -> None:
    """Show pools with their blocks; a block's owner, its affinity's state, and addresses in use."""

    async def act(client: "Etcd", prefix: str) -> "tuple[dict[str, bytes], list[tuple[str, Document]], str]":
        from bgpd.datastore.object_store import ObjectStore
        from bgpd.datastore.resources.kinds import IP_POOL
        from bgpd.datastore.resources.usage import DIRECTORY

        pools, _ = await ObjectStore(client, prefix).all_of(IP_POOL)
        found = await client.entries(f"{prefix.rstrip('/')}/{DIRECTORY}")
        values = {key: entry.value for key, entry in found.items()}
        return values, [(pool.name, pool.spec) for pool in pools], prefix

    values, specs, prefix = with_etcd(endpoints, config, act)
    if address:
        _show_address(values, prefix, address)
        return
    from bgpd.datastore.resources.usage import blocks, pools

    rows = list(_rows(pools(blocks(values, prefix), specs)))
    print_answer([asdict(row) for row in rows], output, lambda: show.table(USES, rows, wide=output is Output.WIDE))


def _rows(pools: "tuple[PoolUse, ...]") -> Iterator[UseRow]:
    for pool in pools:
        if pool.cidr is None:
            yield UseRow("no pool", "", "", "", "", pool.total, pool.in_use, 0)
        else:
            borrowed = sum(block.borrowed for block in pool.blocks)
            yield UseRow("IP pool", pool.name, str(pool.cidr), "", "", pool.total, pool.in_use, borrowed)
        for block in pool.blocks:
            size = block.cidr.num_addresses
            yield UseRow("block", "", str(block.cidr), block.node, block.state, size, block.in_use, block.borrowed)


def _show_address(values: dict[str, bytes], prefix: str, wanted: str) -> None:
    from bgpd.datastore.resources.usage import address

    try:
        used = address(values, prefix, wanted)
    except ValueError as error:
        raise typer.BadParameter(f"--ip: {error}") from error
    if used is None:
        print(f"IP {wanted} is not in use")
        raise typer.Exit(DEGRADED)
    print(f"IP {wanted} is in use, in block {used.block}")
    for name, text in {"handle": used.handle, **used.attributes}.items():
        if text:
            print(f"  {name}: {text}")
