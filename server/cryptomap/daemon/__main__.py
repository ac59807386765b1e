"""``python -m cryptomap.daemon`` is ``cryptomapd``."""

from cryptomap.daemon.cli import main

main(prog_name="cryptomapd")
