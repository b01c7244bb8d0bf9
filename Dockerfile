# The collector, and nothing else of nightdesk: wheels by hash, no compiler, no root. See docs/collector.md.
FROM python:3.13-slim AS build
COPY requirements/collector.txt /requirements.txt
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check \
       --require-hashes --only-binary :all: --requirement /requirements.txt

FROM python:3.13-slim
ENV PATH="/venv/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin collector
WORKDIR /app
COPY --from=build /venv /venv
COPY shared ./shared
COPY collector ./collector
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# A run that looks at history answers 503 until every series is whole.
HEALTHCHECK --interval=15s --timeout=5s --start-period=5m --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('COLLECTOR_PORT', '8080')}/health\", timeout=4)"]
CMD ["python", "-m", "collector"]
