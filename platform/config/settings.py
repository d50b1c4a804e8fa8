"""Settings, all from the environment; every default makes one machine work with nothing but Python.

Variables are named `HOPYARD_…` and listed in README.md. A wrong value stops the start.
"""

from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from config import brokers, databases, enums, kafka_options, log_lines, secrets, storages
from config.environment import Environment

env = Environment()

BASE_DIR = Path(__file__).resolve().parents[2]
DATA_DIR = env.path("DATA_DIR", BASE_DIR / "var")
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

# --- Where the platform answers -------------------------------------------------------------------

BIND = env.text("BIND", "127.0.0.1:8000")
PUBLIC_URL = env.text("PUBLIC_URL", f"http://{BIND}").rstrip("/")
PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname or "127.0.0.1"
ALLOWED_HOSTS = [*env.words("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]"), PUBLIC_HOST]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
BEHIND_TLS = PUBLIC_URL.startswith("https:")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
if BEHIND_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY", "") or secrets.load_or_create(DATA_DIR / "secret.key")

# --- Applications ---------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts",
    "models_registry",
    "serving",
    "worker",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.request_ids.RequestIdMiddleware",
    "config.gateway.GatewayMiddleware",
    "serving.replica_documents.entrance.ReplicaAddressMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.errors.SentenceMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.project_menu",
            ]
        },
    }
]

# --- Data -----------------------------------------------------------------------------------------

DATABASES = {"default": databases.from_url(env.text("DATABASE_URL", f"sqlite:///{DATA_DIR}/db.sqlite3"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",  # shared by all processes
        "LOCATION": DATA_DIR / "cache",
    }
}
BLOB_DIR = DATA_DIR / "blobs"
MAX_UPLOAD_BYTES = env.number("MAX_UPLOAD_MB", 20_480) * 1024 * 1024
MIN_FREE_BYTES = env.number("MIN_FREE_MB", 512) * 1024 * 1024
PROJECT_QUOTA_MB = env.number("PROJECT_QUOTA_MB", 0)  # 0: none
ARCHIVE_MAX_BYTES = env.number("ARCHIVE_MAX_MB", 20_480) * 1024 * 1024
ARCHIVE_MAX_FILES = env.number("ARCHIVE_MAX_FILES", 10_000)
ARCHIVE_MAX_RATIO = env.number("ARCHIVE_MAX_RATIO", 100)
ARCHIVE_MAX_DEPTH = env.number("ARCHIVE_MAX_DEPTH", 20)
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 2_000
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "uploads"
FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

# --- People ---------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"

# --- Pages ----------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "blobs": storages.blobs(env, BLOB_DIR),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- API ------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.parsing.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "config.api.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "NUM_PROXIES": 0,  # X-Forwarded-For is the caller's own word
    "EXCEPTION_HANDLER": "config.api.error_answer",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Hopyard",
    "DESCRIPTION": "Register models, run servings, ask for predictions.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/",
    "ENUM_NAME_OVERRIDES": enums.NAMES,
}

# --- Worker ---------------------------------------------------------------------------------------

BROKER_DIR = DATA_DIR / "broker"
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a broker that is away for long is waited for
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # what a killed worker takes along
if url := env.text("BROKER_URL", ""):
    CELERY_BROKER_URL = url
    CELERY_BROKER_TRANSPORT_OPTIONS = brokers.options(url)
else:
    for folder in ("messages", "control"):
        (BROKER_DIR / folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_URL = "localhost"  # unused by a transport of files, which is named beside it
    CELERY_BROKER_TRANSPORT = "worker.broker:Transport"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR / "messages"),
        "data_folder_out": str(BROKER_DIR / "messages"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.1,
    }

DEPLOYER = env.text("DEPLOYER", "local")
DEPLOYERS = list(dict.fromkeys([DEPLOYER, *env.words("DEPLOYERS", "")]))  # what a serving may choose from
REPLICA_PYTHON = env.path("REPLICA_PYTHON", BASE_DIR / ".venv-replica" / "bin" / "python")
REPLICA_HOST = env.text("REPLICA_HOST", "127.0.0.1")  # where servings' own ports listen
PORTS_HOST = env.text("PORTS_HOST", REPLICA_HOST)  # by which name callers reach them
SERVING_PORTS = env.ports("SERVING_PORTS", "20000-29999")  # below the kernel's ephemeral range
START_TIMEOUT_SECONDS = env.number("START_TIMEOUT_SECONDS", 300)
UNRESPONSIVE_SECONDS = env.number("UNRESPONSIVE_SECONDS", 30)
STUCK_SECONDS = env.number("STUCK_SECONDS", 300)
STOP_GRACE_SECONDS = env.number("STOP_GRACE_SECONDS", 10)
MAX_START_ATTEMPTS = env.number("MAX_START_ATTEMPTS", 3)
MAX_REPLICAS = env.number("MAX_REPLICAS", 16)
MAX_MEMORY_MB = env.number("MAX_MEMORY_MB", 65_536)
MAX_CORES = env.number("MAX_CORES", 64)
MAX_GPUS = env.number("MAX_GPUS", 0)
MAX_INFERENCE_BYTES = env.number("MAX_INFERENCE_MB", 64) * 1024 * 1024
WEB_THREADS = env.number("WEB_THREADS", 64)
INFERENCES_AT_ONCE = WEB_THREADS * 3 // 4  # in each web process; the rest is for pages and the API
INFERENCE_TIMEOUT_SECONDS = env.number("INFERENCE_TIMEOUT_SECONDS", 60)
REPLICA_DIR = DATA_DIR / "replicas"
ARTIFACT_DIR = DATA_DIR / "artifacts"
LOG_DIR = DATA_DIR / "logs"
KEYS_DIR = DATA_DIR / "keys"
PREDICTORS_DIR = DATA_DIR / "predictors"

# --- Inference log ----------------------------------------------------------------------------------

KAFKA_BROKERS = env.words("KAFKA_BROKERS", "")  # host:port; empty: topics are folders in TOPIC_DIR
KAFKA_REPLICA_BROKERS = env.words("KAFKA_REPLICA_BROKERS", "")  # for containers; empty: through the platform
KAFKA_OPTIONS = kafka_options.read(env)  # librdkafka's, such as security.protocol=SASL_SSL
KAFKA_EXISTING = env.words("KAFKA_EXISTING", "")  # sales.*: made elsewhere, and projects may take them
TOPIC_DIR = DATA_DIR / "topics"
OUTBOX_DIR = DATA_DIR / "outbox"  # what waits to be sent to Kafka
TOPIC_DIR.mkdir(mode=0o700, exist_ok=True)
OUTBOX_DIR.mkdir(mode=0o700, exist_ok=True)
SPILL_MB = env.number("SPILL_MB", 256)  # what a replica may keep while its topic is away; 0: nothing
TOPIC_RETENTION_HOURS = env.number("TOPIC_RETENTION_HOURS", 24 * 7)
TOPIC_RETENTION_MB = env.number("TOPIC_RETENTION_MB", 4096)  # of each topic
_KEPT = 1_000_000 if "postgresql" in DATABASES["default"]["ENGINE"] else 100_000
INFERENCE_RECORDS_KEPT = env.number("INFERENCE_RECORDS_KEPT", _KEPT)  # of each serving, in the database
INFERENCE_RECORDS_DAYS = env.number("INFERENCE_RECORDS_DAYS", 30)
INFERENCE_RECORDS_MB = env.number("INFERENCE_RECORDS_MB", 2048)  # of each serving

# --- Containers -----------------------------------------------------------------------------------

DOCKER_URL = env.text("DOCKER_URL", "unix:///var/run/docker.sock")
DOCKER_FETCHES = env.flag("DOCKER_FETCHES", default=False)  # the engine shares no disk with the worker
HOST_PATHS = env.pairs("HOST_PATHS", "")  # where our folders lie for the engine, such as /data=/srv/hopyard
START_DIR = DATA_DIR / "starts"
BASE_IMAGE = env.text("BASE_IMAGE", "python:{version}-slim")
IMAGE_REGISTRY = env.text("IMAGE_REGISTRY", "").rstrip("/")  # where the nodes of a Swarm find images
# how replicas are reached
SWARM_NETWORK = env.choice("SWARM_NETWORK", "published", ["published", "attached"])
SWARM_CONSTRAINTS = env.words("SWARM_CONSTRAINTS", "")  # such as node.labels.models==yes
REPLICA_NETWORK = env.text("REPLICA_NETWORK", "hopyard-replicas")
EGRESS_NETWORK = env.text("EGRESS_NETWORK", "hopyard-egress")
CONTROL_URL = env.text("CONTROL_URL", "").rstrip("/")  # where replicas in containers ask the platform
CONTROL_PORT = env.number("CONTROL_PORT", 8001)
FILES_URL_SECONDS = env.number(  # a replica may fetch its files as late as it may start
    "FILES_URL_SECONDS", max(900, START_TIMEOUT_SECONDS + 300), least=START_TIMEOUT_SECONDS + 60
)

# --- Gateway --------------------------------------------------------------------------------------

GATEWAY = env.choice("GATEWAY", "auto", ["auto", "haproxy", "off"])  # auto: HAProxy where it is found
GATEWAY_DIR = env.path("GATEWAY_DIR", DATA_DIR / "gateway")
GATEWAY_DOMAIN = env.text("GATEWAY_DOMAIN", "").strip(".").lower()
GATEWAY_WEB = env.text("GATEWAY_WEB", "")  # host:port of the web; empty: a socket in GATEWAY_DIR
GATEWAY_STATS_BIND = env.text("GATEWAY_STATS_BIND", "127.0.0.1:8404")
GATEWAY_TLS_BIND = env.text("GATEWAY_TLS_BIND", "")
GATEWAY_CERTIFICATE = env.text("GATEWAY_CERTIFICATE", "")  # a file in PEM: certificate, chain, key
GATEWAY_THREADS = env.number("GATEWAY_THREADS", 0)  # 0: one a core
GATEWAY_CONNECTIONS = env.number("GATEWAY_CONNECTIONS", 4_000)
GATEWAY_BUFFER_KB = env.number("GATEWAY_BUFFER_KB", 16)  # a larger request is not sent to another replica
GATEWAY_REPLICA_REQUESTS = env.number("GATEWAY_REPLICA_REQUESTS", 1000)  # under way at once at one replica
GATEWAY_QUEUE_SECONDS = env.number("GATEWAY_QUEUE_SECONDS", 10)
GATEWAY_ACCESS_LOG = env.flag("GATEWAY_ACCESS_LOG", default=False)
BEHIND_GATEWAY = env.flag("BEHIND_GATEWAY", default=False)  # nobody else reaches the web
KEY_RATE_LIMIT = env.number("KEY_RATE_LIMIT", 0)  # requests per second of a key without its own; 0: none
if GATEWAY_DOMAIN:
    ALLOWED_HOSTS.append(f".{GATEWAY_DOMAIN}")

# --- Python environments --------------------------------------------------------------------------

ENVIRONMENT_DIR = DATA_DIR / "environments"
ENVIRONMENT_KEPT_HOURS = env.number("ENVIRONMENT_KEPT_HOURS", 24 * 7)
ENVIRONMENT_FREE_MB = env.number("ENVIRONMENT_FREE_MB", 1024)
ENVIRONMENT_TIMEOUT_SECONDS = env.number("ENVIRONMENT_TIMEOUT_SECONDS", 1800)
PYTHONS = env.words("PYTHONS", "")  # such as 3.12=/usr/bin/python3.12
UV = env.text("UV", "")
ALLOW_URL_REQUIREMENTS = env.flag("ALLOW_URL_REQUIREMENTS", default=False)
ALLOW_SOURCE_BUILDS = env.flag("ALLOW_SOURCE_BUILDS", default=False)

# --- Logging --------------------------------------------------------------------------------------

LOGGING = log_lines.to_stderr(env.text("LOG_LEVEL", "INFO"))
