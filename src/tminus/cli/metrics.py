"""`tminus metrics`: what Prometheus would read, once."""

import click


@click.command("metrics")
@click.argument("service", required=False)
def command(service: str | None) -> None:
    """Print the counters and the launch of SERVICE in Prometheus's text format; those of all without it.

    Reads the router and the journal, and changes nothing. To be scraped, run an agent with --metrics.

    Example: tminus metrics shop
    """
    from tminus.adapters.clock.system_clock import SystemClock
    from tminus.cli.collecting import metrics_page
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        wanted = None if service is None else find_launch(home, service).service
        click.echo(metrics_page(home, SystemClock().now_ms(), wanted), nl=False)
    finally:
        home.close()
