"""Keys of LiteLLM's proxy with limits, which it otherwise keeps in a database."""

from datetime import datetime, timezone

from litellm.proxy._types import UserAPIKeyAuth

LIMITS = {"sk-40-requests": {"rpm_limit": 40}, "sk-4-at-once": {"max_parallel_requests": 4},
          "sk-expired": {"expires": datetime(2024, 1, 1, tzinfo=timezone.utc)},
          "sk-for-another-model": {"models": ["another"]}}


async def check(request, api_key):
    return UserAPIKeyAuth(api_key=api_key, **LIMITS[api_key])
