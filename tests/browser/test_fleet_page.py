# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The fleet's page in a real browser: a thousand instances, names that want to be code, a phone, the dark."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from ansible_collections.hybrid.ecs_anywhere.plugins.filter.fleet_report import fleet_report
from ansible_collections.hybrid.ecs_anywhere.plugins.module_utils import _health
from selenium.webdriver.common.by import By

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>'\"&"


def instance(number, name=None, lost_days=None, connected=True, **ecs):
    ping = NOW - timedelta(days=lost_days or 0)
    return {
        "managed_instance_id": f"mi-{number:017x}",
        "ssm": {
            "ping_status": "Online" if lost_days is None else "ConnectionLost",
            "last_ping_date_time": ping.isoformat(),
            "computer_name": name or f"server-{number}.plant.example.org",
            "agent_version": "3.3.4108.0",
            "iam_role": "ecsAnywhereRole",
            "ip_address": "192.0.2.7",
            "platform_name": "Debian GNU/Linux",
            "platform_version": "12",
        },
        "ecs": {
            "cluster": "edge",
            "status": "ACTIVE",
            "agent_connected": connected and lost_days is None,
            "agent_version": "1.105.1",
            "docker_version": "28.0.1",
            "running_tasks_count": number % 7,
            "pending_tasks_count": 0,
            **ecs,
        },
        "duplicates": [],
        "role_replaced": False,
    }


def fleet(instances):
    return {"looked_at": NOW.isoformat(), "instances": _health.with_health(instances, _health.Norm(NOW))}


THOUSAND = [
    instance(1, HOSTILE, cluster=HOSTILE),
    instance(2, lost_days=9),
    instance(3, lost_days=1, status="DRAINING"),
    instance(4, connected=False),
    instance(5, agent_version="1.99.0"),
    {**instance(6), "ecs": None},
    {**instance(7), "ssm": None},
    instance(8, status="DRAINING"),
    *[instance(n, cluster="lab" if n % 10 == 0 else "edge") for n in range(9, 1001)],
]
ROLES = [
    {
        "role_name": "ecsAnywhereRole",
        "findings": [
            {"id": "action_beyond_need", "severity": "high", "message": HOSTILE, "repair": "use least_privilege"},
            {"id": "scope", "severity": "info", "message": "a remark", "repair": "none"},
        ],
    }
]


def opened(browser, path, instances):
    path.write_text(fleet_report(fleet(instances), roles=ROLES, place=HOSTILE))
    assert path.stat().st_size < 3_000_000
    browser.set_window_size(1280, 900)
    browser.get_log("browser")  # what was said before
    browser.get(path.as_uri())
    return browser


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    return opened(browser, tmp_path_factory.mktemp("page") / "fleet.html", THOUSAND)


def shown(page):
    return page.execute_script(
        "return [...document.querySelectorAll('#fleet tbody tr')]"
        ".filter(row => row.checkVisibility()).map(row => row.cells[0].innerText)"
    )


def look_for(page, text="", state="", cluster=""):
    """Typed as a user types; menus by their event, as a headless browser has no menus."""
    field = page.find_element(By.ID, "text")
    field.clear()
    field.send_keys(text or " ")
    for name, value in (("state", state), ("cluster", cluster)):
        page.execute_script(
            "const menu = document.getElementById(arguments[0]); menu.value = arguments[1];"
            "menu.dispatchEvent(new Event('input', {bubbles: true})); return menu.value",
            name,
            value,
        )
    return shown(page)


def sort_by(page, column):
    page.find_element(By.XPATH, f"//th/button[.='{column}']").click()
    return shown(page)


def test_all_is_there_and_nothing_was_loaded_or_executed(page):
    assert len(shown(page)) == 1000
    assert page.find_element(By.ID, "count").text == "1000 of 1000 shown"
    totals = page.find_element(By.CLASS_NAME, "totals").text.split()
    assert totals[:2] == ["1000", "instances"] and "zombie" in totals
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert page.execute_script("return document.images.length + document.querySelectorAll('link').length") == 0
    assert page.title == f"External instances of {HOSTILE}"
    assert [line for line in page.get_log("browser") if line["level"] == "SEVERE"] == []


def test_texts_from_outside_are_texts(page):
    assert HOSTILE in page.execute_script("return document.querySelector('#fleet').innerText")
    assert page.find_element(By.XPATH, "//h2[.='Node roles']/following::table[1]").text.count(HOSTILE) == 1
    assert page.execute_script("return document.scripts.length") == 1


def test_what_a_script_would_have_to_get_past(page):
    """Were something not escaped, the policy of the page would still not run it."""
    page.execute_script("const s = document.createElement('script'); s.textContent = 'x = 1'; document.body.append(s)")
    assert page.execute_script("return typeof x") == "undefined"
    assert any("Content Security Policy" in line["message"] for line in page.get_log("browser"))


def test_the_worst_come_first_with_their_repair(page):
    look_for(page)
    first = page.find_element(By.CSS_SELECTOR, "#fleet tbody tr").text
    assert "server-2." in first and "zombie" in first and "for 9 days" in first and "hybrid.ecs_anywhere.prune" in first
    assert "since 2026-11-15 12:00 UTC" in first


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"text": "server-77."}, 1),
        ({"text": "SERVER-77. edge"}, 1),
        ({"text": "mi-0000000000000004d"}, 1),
        ({"state": "zombie"}, 1),
        ({"state": "disconnected"}, 1),
        ({"state": "healthy"}, 993),
        ({"cluster": "lab"}, 100),
        ({"cluster": "lab", "text": "server-1000."}, 1),
        ({"cluster": HOSTILE}, 1),
        ({"cluster": "(none)"}, 1),
        ({"text": "nobody"}, 0),
        ({}, 1000),
    ],
)
def test_it_can_be_filtered(page, wanted, count):
    assert len(look_for(page, **wanted)) == count
    assert page.find_element(By.ID, "count").text == f"{count} of 1000 shown"


def test_one_in_several_states_is_found_by_each(page):
    """server-3 is away and drained; server-8 is drained only."""
    assert [name[:9] for name in look_for(page, state="draining")] == ["server-3.", "server-8."]
    assert [name[:9] for name in look_for(page, state="disconnected")] == ["server-3."]


def test_it_can_be_sorted_by_number_and_back(page):
    look_for(page, text="server-")
    up = sort_by(page, "Server")
    assert [name.split(".")[0] for name in up[:4]] == ["server-2", "server-3", "server-4", "server-5"]
    down = sort_by(page, "Server")
    assert down[0].startswith("server-1000.") and down[-1].startswith("server-2.")
    assert page.find_element(By.XPATH, "//th[button='Server']").get_attribute("aria-sort") == "descending"
    sort_by(page, "Health")
    assert "zombie" in page.find_element(By.CSS_SELECTOR, "#fleet tbody tr").text


CONTRAST = """
const parse = c => c.match(/[\\d.]+/g).map(Number);
const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b; };
const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
  if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return null; };
let worst = 99;
for (const e of [...document.querySelectorAll("body *")].slice(0, 900)) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.offsetParent || ["SCRIPT", "OPTION"].includes(e.tagName)) continue;
  const [a, b] = [light(parse(getComputedStyle(e).color).slice(0, 3)), light(ground(e))].sort((x, y) => y - x);
  worst = Math.min(worst, (a + .05) / (b + .05));
}
return worst;
"""


@pytest.mark.parametrize(("scheme", "bright"), [("light", True), ("dark", False)])
def test_it_can_be_read_by_day_and_in_the_dark(browser, tmp_path, scheme, bright):
    page = opened(browser, tmp_path / "fleet.html", THOUSAND[:20])
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    ground = page.execute_script("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(ground) > 600) is bright
    assert page.execute_script(CONTRAST) >= 4.5  # WCAG AA


def test_nothing_runs_out_of_the_screen(browser, tmp_path):
    page = opened(browser, tmp_path / "fleet.html", THOUSAND[:20])
    seen = {}
    for width in (320, 390, 768, 1280):
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 700}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        seen[width] = page.execute_script(
            "return [document.documentElement.scrollWidth,"
            "getComputedStyle(document.querySelector('#fleet tbody tr')).display]"
        )
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert [width for width, (widest, _) in seen.items() if widest > width] == []
    # cards on what is narrow
    assert [row for _, row in seen.values()] == ["block", "block", "block", "table-row"]


def test_an_empty_fleet_and_roles_that_nobody_could_read(browser, tmp_path):
    path = tmp_path / "empty.html"
    path.write_text(fleet_report(fleet([]), roles_problem=HOSTILE))
    browser.get(path.as_uri())
    assert browser.find_element(By.ID, "count").text == "0 of 0 shown"
    assert f"could not be judged: {HOSTILE}" in browser.find_element(By.TAG_NAME, "body").text
    assert browser.title == "External instances"
