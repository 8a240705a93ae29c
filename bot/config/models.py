"""config.toml, key by key. docs/configuration.md is generated from titles, descriptions and examples here."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    SecretStr,
    StrictBool,
    StrictInt,
)

from bot.config.faults import wrong
from bot.config.values import (
    BotToken,
    CaFile,
    Clock,
    DatabaseUrl,
    Duration,
    EncryptionKey,
    ExistingFile,
    Interval,
    Key,
    Listen,
    Proxy,
    PublicAddress,
    Room,
    Secret,
    SlackAddress,
    SlackUser,
    WebhookSecret,
    Zone,
    split_listen,
)
from collectors.settings import CommonSettings, WebAddress
from desk.people import Role

Language = Literal["en", "ru", "kk"]
Name = Annotated[str, Field(min_length=1, max_length=100)]
DEFAULT_DIGEST = time(9)


class Model(BaseModel):
    """A table of the file. `later` names keys of the contract that this version does not have."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)
    later: ClassVar[frozenset[str]] = frozenset()

    def over(self, general: Self) -> Self:
        """The keys set in this table, over those of a more general one."""
        return general.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


class Desk(Model):
    """The desk itself: what it is called, where it listens, what its staff read."""

    name: Name = Field(
        default="Replydesk",
        title="Name",
        description="the agency's name, shown to people",
        examples=["Northern Lights ORM"],
    )
    language: Language = Field(
        default="en",
        title="Language",
        description="what staff read; a client or a person may have their own",
        examples=["ru"],
    )
    timezone: Zone = Field(default="UTC", title="Time zone", description="an IANA name", examples=["Asia/Almaty"])
    listen: Listen = Field(
        default="127.0.0.1:8080",
        title="Address to listen at",
        description='health, metrics and webhooks; "" for none',
        examples=["127.0.0.1:8080"],
    )
    posting: StrictBool = Field(
        default=True,
        title="Posting",
        description="false: nothing is published anywhere; /stop_posting in chat does the same and survives restarts",
        examples=[True],
    )
    leads_room: Room | None = Field(
        default=None,
        title="Leads' room",
        description="where alarms for leads go; each client's staff room if absent",
        examples=["telegram:-1001000000009"],
    )
    secret_key: EncryptionKey = Field(
        title="Encryption key",
        description="encrypts rotated tokens and sessions at rest (Fernet)",
        examples=["env:REPLYDESK_SECRET"],
    )
    proxy: Proxy = Field(
        default=SecretStr(""),
        title="Proxy",
        description="for all that goes out, where no proxy of its own is set: http, https or socks5; with a user and "
        'a password as env: or file:. "": directly; variables such as HTTPS_PROXY do not count',
        examples=["socks5://127.0.0.1:1080"],
    )
    ca_file: CaFile | None = Field(
        default=None,
        title="Certificates",
        description="a PEM file of certificate authorities that are trusted besides the public ones",
        examples=["company-ca.pem"],
    )

    screenshots: StrictBool = Field(
        default=False,
        title="Screenshots",
        description="a picture of each page that a case is about, taken when it is found and kept as evidence; "
        "needs replydesk[screenshots] and a Chromium",
        examples=[True],
    )
    chromium: str = Field(
        default="",
        title="Chromium",
        description='the browser that takes screenshots, as a path or a name; "": chromium, google-chrome or chrome, '
        "whichever is installed",
        examples=["/usr/bin/chromium"],
    )

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen at; None: nothing listens."""
        return split_listen(self.listen)


class Database(Model):
    """Where everything is kept."""

    url: DatabaseUrl = Field(
        default=SecretStr("sqlite+aiosqlite:///replydesk.db"),
        validate_default=True,
        title="Address",
        description="a SQLite file beside config.toml, or PostgreSQL, on which several desks may run; "
        "env: and file: are taken too, for an address with a password",
        examples=["sqlite+aiosqlite:///replydesk.db"],
    )


class Telegram(Model):
    """One bot, which serves all clients."""

    token: BotToken = Field(
        title="Token", description="the bot's token from @BotFather", examples=["env:TELEGRAM_TOKEN"]
    )
    api_base: WebAddress = Field(
        default="https://api.telegram.org",
        title="Address of the Bot API",
        description="Telegram's own, or a self-hosted server",
        examples=["https://api.telegram.org"],
    )
    mode: Literal["polling", "webhook"] = Field(
        default="polling",
        title="How updates arrive",
        description="polling: the desk asks; webhook: Telegram calls public_url",
        examples=["polling"],
    )
    public_url: PublicAddress | None = Field(
        default=None,
        title="Public address",
        description="mode webhook: where Telegram reaches the desk's listen address",
        examples=["https://desk.example.com"],
    )
    secret: WebhookSecret | None = Field(
        default=None,
        title="Webhook secret",
        description="mode webhook: proves that a call is Telegram's",
        examples=["env:TELEGRAM_WEBHOOK_SECRET"],
    )
    group_per_minute: StrictInt = Field(
        default=20,
        ge=1,
        le=10_000,
        title="Budget of one group",
        description="messages a minute in one group; a self-hosted or later server may allow more",
        examples=[20],
    )
    proxy: Proxy | None = Field(
        default=None,
        title="Proxy",
        description='that of [desk] if absent; "": directly',
        examples=["http://127.0.0.1:3128"],
    )


class Slack(Model):
    """One workspace; clients often have their own."""

    key: Key = Field(
        default="main", title="Key", description="names the workspace in rooms and people's ids", examples=["main"]
    )
    bot_token: Secret = Field(title="Bot token", description="the app's xoxb token", examples=["env:SLACK_BOT_TOKEN"])
    app_token: Secret | None = Field(
        default=None,
        title="App token",
        description="mode socket: the app's xapp token with connections:write",
        examples=["env:SLACK_APP_TOKEN"],
    )
    signing_secret: Secret | None = Field(
        default=None,
        title="Signing secret",
        description="mode http: proves that a call is Slack's",
        examples=["env:SLACK_SIGNING_SECRET"],
    )
    mode: Literal["socket", "http"] = Field(
        default="socket",
        title="How events arrive",
        description="socket: the desk connects; http: events, interactivity and commands at POST /slack/events",
        examples=["socket"],
    )
    api_base: SlackAddress = Field(
        default="https://slack.com/api/",
        title="Address of the Web API",
        description="Slack's own, unless it is a stand-in",
        examples=["https://slack.com/api/"],
    )
    proxy: Proxy | None = Field(
        default=None,
        title="Proxy",
        description='that of [desk] if absent; "": directly',
        examples=["http://127.0.0.1:3128"],
    )


class Ai(Model):
    """Any server that speaks the OpenAI API. Without this table the desk works without AI."""

    base_url: WebAddress = Field(
        title="Address", description="up to and with /v1", examples=["https://api.openai.com/v1"]
    )
    api_key: Secret = Field(
        title="Key", description="any text where the server needs none", examples=["env:OPENAI_API_KEY"]
    )
    model: Name = Field(title="Model", description="as the server calls it", examples=["gpt-5-mini"])
    budget_per_day: StrictInt = Field(
        default=200_000,
        ge=1,
        title="Budget",
        description="tokens a day; past it the desk goes on without AI and says so once",
        examples=[200_000],
    )
    redact: StrictBool = Field(
        default=False,
        title="Redaction",
        description="true: phones, card numbers, e-mail addresses, links with keys and names of authors are replaced "
        "before a text goes to the server, and put back into its answer",
        examples=[True],
    )
    proxy: Proxy | None = Field(
        default=None,
        title="Proxy",
        description='that of [desk] if absent; "": directly',
        examples=["http://127.0.0.1:3128"],
    )


class Person(Model):
    """Somebody who works on cases: of the agency (staff, lead) or of a client (approver, viewer)."""

    later = frozenset({"email"})

    key: Key = Field(title="Key", description="names the person in this file and in the records", examples=["anna"])
    name: Name = Field(title="Name", description="as others see it", examples=["Anna"])
    role: Role = Field(
        title="Role", description="staff or lead (agency), approver or viewer (client)", examples=["staff"]
    )
    clients: tuple[str, ...] = Field(
        min_length=1, title="Clients", description='keys of clients, or ["*"] for all', examples=[["acme"]]
    )
    telegram: Annotated[StrictInt, Field(ge=1)] | None = Field(
        default=None, title="Telegram id", description="a number, not the user name", examples=[1001]
    )
    slack: SlackUser | None = Field(
        default=None, title="Slack id", description="with the workspace where there are several", examples=["U0ANNA"]
    )
    language: Language | None = Field(
        default=None, title="Language", description="what the person reads; the room's if absent", examples=["ru"]
    )


def _rising(value: tuple[int, ...]) -> tuple[int, ...]:
    if list(value) != sorted(set(value)):
        raise wrong("must rise, each number once", f"write it as {sorted(set(value))}")
    return value


def _always(value: Any) -> Any:
    if value != "always":
        raise wrong("other hours than always: not built yet", 'write "always", or remove the key')
    return value


class Sla(Model):
    """How fast. Counted from publication, by the wall clock."""

    later = frozenset({"holidays"})

    target: Interval = Field(
        default=timedelta(minutes=90), title="Target", description="to the first public reply", examples=["90m"]
    )
    limit: Interval = Field(default=timedelta(hours=24), title="Limit", description="the hard limit", examples=["24h"])
    warn_at: Annotated[tuple[Annotated[StrictInt, Field(ge=1, le=99)], ...], AfterValidator(_rising)] = Field(
        default=(50, 75, 90),
        title="Warnings",
        description="percent of target; who must act is mentioned, nobody else",
        examples=[[50, 75, 90]],
    )
    hours: Annotated[Literal["always"], BeforeValidator(_always)] = Field(
        default="always", title="Hours", description="when the clock runs", examples=["always"]
    )


class Step(Model):
    """One step of the approval."""

    later = frozenset({"when", "above", "if", "after", "deputies"})

    who: tuple[str, ...] = Field(
        min_length=1,
        title="Who",
        description="keys of people who are approvers of the client",
        examples=[["marketing"]],
    )
    need: StrictInt = Field(default=1, ge=1, title="Need", description="how many of them must approve", examples=[1])


class Approval(Model):
    """Who approves a text, in which order."""

    later = frozenset({"conditions", "deputies", "duty"})

    steps: tuple[Step, ...] = Field(
        default=(),
        title="Steps",
        description="in this order; any one approver of the client if absent",
        examples=[[{"who": ["marketing", "owner"], "need": 1}]],
    )
    undo: Duration = Field(
        default=timedelta(seconds=60),
        title="Undo window",
        description='posting waits this long after the last approval; "0s": at once',
        examples=["60s"],
    )


class SourceHead(Model):
    """What every source says first; the rest depends on the platform."""

    model_config = ConfigDict(extra="ignore")

    key: Key = Field(title="Key", description="unique over the file", examples=["acme-play"])
    platform: str = Field(title="Platform", description="its name in docs/platforms.md", examples=["google_play"])


class Source(SourceHead):
    """Where mentions come from. The platform's own settings stand beside these keys (docs/platforms.md)."""

    every: Interval = Field(
        title="Poll interval",
        description="each platform has a default and a floor (no floor where api_base is on this machine)",
        examples=["5m"],
    )
    settings: InstanceOf[CommonSettings] = Field(title="Settings", description="those of the platform")


class Place(Model):
    """A branch of the brand."""

    id: Annotated[str, Field(min_length=1)] = Field(title="Id", description="as sources name it", examples=["dostyk"])
    name: Name = Field(title="Name", description="as people know it", examples=["Dostyk 5"])
    city: str = Field(default="", title="City", description="where it is", examples=["Almaty"])


def _negative_only(value: Any) -> Any:
    if isinstance(value, list) and value != ["negative"]:
        raise wrong("other cards than negative: not built yet", 'write ["negative"], or remove the key')
    return value


class Brand(Model):
    """A brand of a client. What it sets for itself wins over the client's, key by key."""

    later = frozenset({"keywords"})

    key: Key = Field(title="Key", description="unique over the file", examples=["acme-coffee"])
    name: Name = Field(title="Name", description="as people see it", examples=["Acme Coffee"])
    staff_room: Room | None = Field(
        default=None, title="Staff room", description="the client's if absent", examples=["telegram:-1001000000001"]
    )
    client_room: Room | None = Field(
        default=None, title="Client room", description="the client's if absent", examples=["slack:C0ACME"]
    )
    language: Language | None = Field(
        default=None, title="Language", description="what the client reads; the client's if absent", examples=["ru"]
    )
    digest_at: Clock | None = Field(
        default=None,
        title="Digest",
        description="local time of the daily digest; the client's if absent",
        examples=["09:00"],
    )
    sla: Sla | None = Field(default=None, title="Deadlines", description="keys given here win over the client's")
    approval: Approval | None = Field(
        default=None, title="Approval", description="keys given here win over the client's"
    )
    card: Annotated[tuple[Literal["negative"], ...], BeforeValidator(_negative_only)] = Field(
        default=("negative",), title="Cards", description="which mentions become cases", examples=[["negative"]]
    )
    facts: ExistingFile | None = Field(
        default=None,
        title="Facts",
        description="a text file of what a reply may state; one `## heading` an entry",
        examples=["facts/acme-coffee.md"],
    )
    signature: str = Field(
        default="", title="Signature", description="what replies are signed with", examples=["Acme Coffee"]
    )
    places: tuple[Place, ...] = Field(
        default=(),
        title="Places",
        description="branches",
        examples=[[{"id": "dostyk", "name": "Dostyk 5", "city": "Almaty"}]],
    )
    sources: tuple[Source, ...] = Field(default=(), title="Sources", description="where its mentions come from")


class Client(Model):
    """A client: two rooms, its deadlines, its approvers, its brands."""

    key: Key = Field(title="Key", description="unique over the file", examples=["acme"])
    name: Name = Field(title="Name", description="as people see it", examples=["Acme Coffee"])
    language: Language | None = Field(
        default=None, title="Language", description="what the client reads; the desk's if absent", examples=["ru"]
    )
    timezone: Zone | None = Field(
        default=None, title="Time zone", description="the desk's if absent", examples=["Asia/Almaty"]
    )
    staff_room: Room = Field(
        title="Staff room",
        description="telegram:<chat id> (a forum supergroup), slack:<channel> or slack:<workspace>/<channel>",
        examples=["telegram:-1001000000001"],
    )
    client_room: Room = Field(
        title="Client room", description="either messenger; never another client's room", examples=["slack:C0ACME"]
    )
    digest_at: Clock = Field(
        default=DEFAULT_DIGEST, title="Digest", description="local time of the daily digest", examples=["09:00"]
    )
    ai: StrictBool = Field(
        default=True, title="AI", description="false: nothing of this client goes to an AI server", examples=[True]
    )
    keep: Interval | None = Field(
        default=None,
        title="Retention",
        description="personal data of finished cases and of mentions is erased after this time; for ever if absent",
        examples=["365d"],
    )
    sla: Sla = Field(default=Sla(), title="Deadlines", description="what was agreed with the client")
    approval: Approval = Field(default=Approval(), title="Approval", description="who approves what is posted")
    brands: tuple[Brand, ...] = Field(default=(), title="Brands", description="at least one, to have any work")


class Config(Model):
    """All of config.toml."""

    later = frozenset({"mail"})

    desk: Desk = Field(title="Desk", description="the desk itself")
    database: Database = Field(default=Database(), title="Database", description="where everything is kept")
    telegram: Telegram | None = Field(default=None, title="Telegram", description="one bot serves all clients")
    slack: tuple[Slack, ...] = Field(default=(), title="Slack", description="one entry a workspace")
    ai: Ai | None = Field(default=None, title="AI", description="optional; any server that speaks the OpenAI API")
    people: tuple[Person, ...] = Field(min_length=1, title="People", description="one [[people]] a person")
    clients: tuple[Client, ...] = Field(min_length=1, title="Clients", description="one [[clients]] a client")

    def workspace(self, key: str) -> Slack | None:
        return next((one for one in self.slack if one.key == key), None)


class Terms(NamedTuple):
    """What holds for one brand: its own where it says something, else its client's."""

    staff_room: str
    client_room: str
    language: Language | None
    digest_at: time
    sla: Sla
    approval: Approval


def terms(client: Client, brand: Brand) -> Terms:
    return Terms(
        brand.staff_room or client.staff_room,
        brand.client_room or client.client_room,
        brand.language or client.language,
        client.digest_at if brand.digest_at is None else brand.digest_at,
        client.sla if brand.sla is None else brand.sla.over(client.sla),
        client.approval if brand.approval is None else brand.approval.over(client.approval),
    )
