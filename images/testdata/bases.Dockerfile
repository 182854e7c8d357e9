# Local bases for the Dockerfiles, in place of a registry's: what golang:…-bookworm and python:…-slim-bookworm promise, on a
# Debian root that mmdebstrap made. The Go toolchain and the Python packages are mounted from the machine that runs the tests.
FROM scratch AS python
ADD root.tar /
# As in Python's own image: pip may install, and `python` exists. Packages are found where the tests mount them.
RUN rm -f /usr/lib/python3.11/EXTERNALLY-MANAGED \
    && ln -s /usr/bin/python3 /usr/local/bin/python \
    && echo /opt/site-packages > /usr/local/lib/python3.11/dist-packages/mounted.pth

FROM python AS go
# hadolint ignore=DL3008,DL3009
RUN apt-get update -q && apt-get install -yq --no-install-recommends gcc libc6-dev
ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
