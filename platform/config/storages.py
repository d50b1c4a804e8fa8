"""Where the bytes of files lie: a directory, or a bucket of an S3-compatible store."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment

CONNECT_SECONDS = 10
READ_SECONDS = 60


def blobs(env: Environment, directory: Path) -> dict[str, Any]:
    """Django's storage of the content-addressed files; a bucket once HOPYARD_S3_BUCKET names one."""
    bucket = env.text("S3_BUCKET", "")
    if bucket:
        return {"BACKEND": "models_registry.buckets.BucketStorage", "OPTIONS": _bucket(env, bucket)}
    options = {"location": directory, "allow_overwrite": True, "file_permissions_mode": 0o444}
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}


def _bucket(env: Environment, name: str) -> dict[str, Any]:
    """Without keys boto3 looks for them where AWS puts them, such as the machine's role."""
    try:
        from boto3.s3.transfer import TransferConfig
        from botocore.config import Config
    except ImportError:
        raise ImproperlyConfigured(
            "HOPYARD_S3_BUCKET is set, and the extra that speaks S3 is missing: uv sync --extra s3"
        ) from None
    endpoint = env.text("S3_ENDPOINT", "")
    return {
        "bucket_name": name,
        "endpoint_url": endpoint or None,
        "region_name": env.text("S3_REGION", "us-east-1"),
        "access_key": env.text("S3_ACCESS_KEY", "") or None,
        "secret_key": env.text("S3_SECRET_KEY", "") or None,
        "location": env.text("S3_PREFIX", "").strip("/"),
        "transfer_config": TransferConfig(use_threads=False),  # one part of 8 MB in memory, not ten
        "client_config": Config(
            s3={"addressing_style": "path" if endpoint else "auto"},
            signature_version="s3v4",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard"},
            request_checksum_calculation="when_required",  # stores older than these trailers refuse them
            response_checksum_validation="when_required",
        ),
    }
