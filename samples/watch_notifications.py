"""Print what a server announces: tunnels up and down, pending re-applies, commit warnings, configuration changes.

python samples/watch_notifications.py --port 8300 --key admin-key [--count N] [--timeout SECONDS]
"""

from __future__ import annotations

import sys

from lxml import etree
from session import arguments, connect


def told(notification: etree._Element) -> str:
    """One line: when, what, and the leafs of the notification."""
    when, event = notification[0].text, notification[1]
    leafs = [f"{etree.QName(leaf).localname}={leaf.text}" for leaf in event.iter("*") if len(leaf) == 0 and leaf.text]
    return f"{when} {etree.QName(event).localname} {' '.join(leafs)}"


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--count", type=int, help="stop after so many")
    parser.add_argument("--timeout", type=float, help="stop when nothing comes for so many seconds")
    options = parser.parse_args()
    with connect(options) as session:
        session.create_subscription()
        print("watching", flush=True)
        seen = 0
        while options.count is None or seen < options.count:
            notification = session.take_notification(block=True, timeout=options.timeout)
            if notification is None:
                break
            print(told(etree.fromstring(notification.notification_xml.encode())), flush=True)
            seen += 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
