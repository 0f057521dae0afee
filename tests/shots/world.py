"""Makes the small world on a running relay, through its own doors; what is old is signed with a time in the past."""

import base64
import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from relay.protocol import kinds
from relay.protocol.event import wire
from tests.e2e.harness import HTTP, PATIENCE, Server, fresh_key
from tests.factories import make_event
from tests.shots import texts
from tests.web.reading import Agent, Identity

SETTINGS = (  # of the relay that holds it
    "relay.name=Eastpier",
    "relay.description=People and instruments around one harbour talk about tides, weather and boats. Every word is signed.",
    "relay.contact=mailto:harbour@example.org",
    "identities.registrations_per_hour=0",
    "links.previews=any",
)


class World(msgspec.Struct, kw_only=True):
    """What was made, as far as pages and tests ask for it."""

    people: dict[str, "Person"]
    post: str = ""  # with a long text: code, a table, a task list
    thread: str = ""  # with many comments
    right_to_left: str = ""
    linked: str = ""  # with a link whose page was read
    edited: str = ""  # a comment that says something else than at first
    message: str = ""  # in the room `pier`, said otherwise than at first
    project: str = ""
    issue: str = ""  # of the project
    text: str = ""  # a long-form article (NIP-23)

    @property
    def reader(self) -> Identity:
        """Who looks at the pages when somebody is signed in."""
        return self.people["maren"].identity


class Person(Agent):
    """An identity that signs with a key of its own what lies in the past."""

    def __init__(self, relay: Server, name: str, shown: str, about: str) -> None:
        super().__init__(relay, name, **({"description": about} if about else {}))
        self.key = fresh_key()
        payload = hashlib.sha256(self.identity.id.encode()).hexdigest()
        url = f"{relay.http}/api/v1/agents/me/keys"
        tags = [["u", url], ["method", "POST"], ["payload", payload]]
        proof = make_event(self.key, kinds.HTTP_AUTH, "", tags, int(time.time()))
        self.call("POST", "/agents/me/keys", proof=msgspec.to_builtins(proof))
        if shown:
            self.call("PATCH", "/agents/me", display_name=shown)

    def sign(self, kind: int, content: str, tags: list[list[str]], at: float) -> str:
        """Publish an event of that time; its id."""
        event = make_event(self.key, kind, content, tags, int(at))
        answer = HTTP.post(
            f"{self.relay.http}/api/v1/events", content=wire(event), headers={"content-type": "application/json"}
        )
        assert answer.is_success, answer.text
        return event.id


class Worker:
    """A user of the control plane."""

    def __init__(self, relay: Server) -> None:
        self._base = f"{relay.http}/api/v1"
        body = msgspec.json.encode({"name": "work"})
        tags = [
            ["u", f"{self._base}/tokens"],
            ["method", "POST"],
            ["payload", hashlib.sha256(body).hexdigest()],
        ]
        proof = make_event(fresh_key(), kinds.HTTP_AUTH, "", tags, int(time.time()))
        headers = {
            "authorization": f"Nostr {base64.b64encode(wire(proof)).decode()}",
            "content-type": "application/json",
        }
        made = HTTP.post(f"{self._base}/tokens", content=body, headers=headers)
        assert made.is_success, made.text
        self._headers = {"authorization": f"Bearer {made.json()['api_key']}"}

    def call(self, method: str, path: str, **body: Any) -> Any:
        answer = HTTP.request(method, self._base + path, json=body or None, headers=self._headers)
        assert answer.is_success, answer.text
        return answer.json()


def build(relay: Server) -> World:
    """Everything, in some seconds."""
    people = {name: Person(relay, name, shown, about) for name, shown, about in texts.PEOPLE}
    world = World(people=people)
    now = time.time()
    for name, shown, about, rules in texts.COMMUNITIES:
        people["maren"].call("POST", "/submolts", name=name, display_name=shown, description=about)
        if rules:
            people["maren"].call("PATCH", f"/submolts/{name}/settings", rules=list(rules))
        for other in ("okonkwo", "yuki", "gauge-7"):
            people[other].call("POST", f"/submolts/{name}/subscribe")
    people["maren"].call("POST", "/submolts/tides/moderators", agent_name="okonkwo")
    _write_knowledge(world, now)
    _write_posts(world, now)
    _write_thread(world, now)
    _chat(world, now)
    _work(world, Worker(relay))
    for name in ("okonkwo", "gauge-7"):
        people["maren"].call("POST", f"/agents/{name}/follow")
        people[name].call("POST", "/agents/maren/follow")
    (document,) = people["maren"].call("GET", "/knowledge?author=archivist&limit=1")["documents"]
    for each in (world.post, document["id"], world.thread):
        people["maren"].call("POST", "/saved", id=each)
    people["okonkwo"].call("POST", f"/posts/{world.thread}/comments", content="@maren, would you look at this one?")
    people["tomas"].call("POST", "/reports", event_id=world.right_to_left, reason="other", content="Wrong community?")
    return world


def _write_posts(world: World, now: float) -> None:
    posts = []
    for author, hours, title, text, link, community, ups, downs in texts.POSTS:
        tags = [["title", title]]
        tags += [["h", community]] if community else []
        tags += [["r", link]] if link else []
        posts.append(world.people[author].sign(kinds.POST, text, tags, now - hours * texts.HOUR))
        voters = [person for name, person in world.people.items() if name != author]
        for voter in voters[:ups]:
            voter.call("POST", f"/posts/{posts[-1]}/upvote")
        for voter in voters[ups : ups + downs]:
            voter.call("POST", f"/posts/{posts[-1]}/downvote")
    world.post, world.thread, world.right_to_left = posts[0], posts[1], posts[3]
    for post, author, text in (
        (posts[0], "maren", "Eleven lines if one does not count the table. I do not."),
        (posts[2], "maren", "Seen. Doubling the moorings."),
    ):
        world.edited = world.people[author].comment(post, text)
    world.linked = _write_linked(world)
    world.people["maren"].call("PATCH", f"/comments/{world.edited}", content="Seen, at six.\n\nDoubling the moorings.")


def _write_linked(world: World) -> str:
    """A post whose link leads to a page of our own, once the relay has read that."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(texts.LINKED.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever).start()
        link = f"http://127.0.0.1:{server.server_port}/gauges"
        made = world.people["archivist"].post("A century of tides, digitised", "Worth a long evening.", url=link)
        page = f"{world.people['archivist'].relay.http}/post/{made}"
        deadline = time.monotonic() + PATIENCE
        while "link-card" not in HTTP.get(page, headers={"accept": "text/html"}).text:
            assert time.monotonic() < deadline, "the page behind a link was not read"
            time.sleep(0.1)
        server.shutdown()
    return made


def _write_thread(world: World, now: float) -> None:
    root = world.people["maren"].key.pubkey
    made: list[tuple[str, str]] = []
    for number, (author, above, text) in enumerate(texts.THREAD):
        parent, of, kind = (world.thread, root, kinds.POST) if above is None else (*made[above], kinds.COMMENT)
        tags = [["E", world.thread, "", root], ["K", str(kinds.POST)], ["P", root]]
        tags += [["e", parent, "", of], ["k", str(kind)], ["p", of]]
        person = world.people[author]
        comment = person.sign(kinds.COMMENT, text, tags, now - 25 * texts.HOUR + number * 0.9 * texts.HOUR)
        made.append((comment, person.key.pubkey))
    for number, voters in ((0, 5), (2, 4), (12, 3), (15, 2), (10, 2)):
        for voter in list(world.people.values())[-voters:]:
            voter.call("POST", f"/comments/{made[number][0]}/upvote")


def _write_knowledge(world: World, now: float) -> None:
    for author, days, identifier, title, tags, source, text in texts.KNOWLEDGE:
        given = [["d", identifier], ["title", title], *(["t", tag] for tag in tags)]
        given += [["source", source]] if source else []
        world.people[author].sign(kinds.WIKI, text, given, now - days * texts.DAY)
    for text in texts.SEICHE:
        world.people["okonkwo"].call("POST", "/knowledge", title="Seiche", content=text, tags=["tides", "harbour"])
    named = [["d", "lamplight"], ["title", "Reading the gauge by lamplight"]]
    world.text = world.people["okonkwo"].sign(kinds.LONG_FORM, texts.LAMPLIGHT, named, now - 11 * texts.DAY)


def _chat(world: World, now: float) -> None:
    keeper = world.people["maren"]
    keeper.call("POST", "/groups", id="pier", name="On the pier", about="Who looks at the sea, and when.")
    for name in ("tomas", "yuki", "okonkwo", "layla"):
        world.people[name].call("POST", "/groups/pier/join")
    said = [
        world.people[author].sign(kinds.CHAT, text, [["h", "pier"]], now - minutes * 60)
        for author, minutes, text in texts.CHAT
    ]
    answer = keeper.call("POST", "/groups/pier/messages", content="Ordered, comes on Thursday.", reply_to=said[7])
    world.message = answer["message"]["id"]
    keeper.call("PATCH", f"/groups/pier/messages/{world.message}", content="Ordered, comes on Friday.")
    for name, reaction in (("okonkwo", "👍"), ("yuki", "👍"), ("layla", "🌊")):
        world.people[name].call("POST", f"/groups/pier/messages/{said[7]}/reactions", content=reaction)
    keeper.call("POST", "/groups", id="night-shift", name="Night shift", about="For whoever is awake.")
    keeper.call("POST", "/groups", id="keys", name="Who has which key", private=True)


def _work(world: World, worker: Worker) -> None:
    fields = {"name": "Gauge software", "issue_prefix": "GAUGE", "public": True}
    about = "Reads the gauges at Eastpier, compares them with the table, says when something is odd."
    world.project = worker.call("POST", "/projects", description=about, **fields)["project"]["id"]
    for title, description, labels, priority, status in texts.ISSUES:
        body = {"project_id": world.project, "title": title, "description": description}
        body |= {"label_ids": list(labels), "priority_id": priority}
        issue = worker.call("POST", "/issues", **body)["issue"]["id"]
        world.issue = world.issue or issue
        if status != "open":
            worker.call("PATCH", f"/issues/{issue}", status_id=status)
    repo = {"name": "gauges", "url": "https://example.org/eastpier/gauges", "default_branch": "main"}
    made = worker.call("POST", "/repos", **repo)["repo"]["id"]
    worker.call("PUT", f"/projects/{world.project}/repos/{made.replace(':', '%3A').replace('/', '%2F')}")
