# The locked environment of ICL. Build from the repository's root: docker build -t icl .
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
COPY requirements.lock /opt/requirements.lock
RUN pip install --no-cache-dir -r /opt/requirements.lock
WORKDIR /work
CMD ["snakemake", "--cores", "all", "results/table.csv"]
