#!/usr/bin/env python3
"""Makes the small traces beside it: invented, so that they may be shipped and no real person is in them.

    python3 scenarios/data/make.py

Fixed seeds; only random.random() is drawn, whose values Python keeps from version to version. The same Python writes
the same bytes again; another zlib may pack the same content differently.

llm-small.csv.gz      2,000 requests to a language model within some five minutes: calm stretches and bursts (a Poisson
                      process whose rate switches between two values), lognormal prompt and output lengths.
access-small.log.gz   3,000 lines of a web server's log (combined format) of one hour: visits that load a page and what
                      belongs to it, by clients whose activity follows Zipf's law; addresses are private (RFC 1918) or
                      reserved for documentation (RFC 3849). A few lines are what real logs hold, too: TLS handshakes on
                      the plain port, connections that sent no request.
"""
import gzip
import math
import random
from bisect import bisect
from pathlib import Path

HERE = Path(__file__).parent


def exponential(rng, mean):
    return -mean * math.log(1.0 - rng.random())


def lognormal(rng, median, sigma):
    """Box-Muller, one of the two normals."""
    normal = math.sqrt(-2.0 * math.log(1.0 - rng.random())) * math.cos(2.0 * math.pi * rng.random())
    return median * math.exp(sigma * normal)


def zipf(rng, cumulative):
    return bisect(cumulative, rng.random() * cumulative[-1])


def zipf_table(n, exponent):
    cumulative, total = [], 0.0
    for rank in range(1, n + 1):
        total += rank**-exponent
        cumulative.append(total)
    return cumulative


def pick(rng, values):
    return values[int(rng.random() * len(values))]


def clip(value, low, high):
    return max(low, min(high, round(value)))


def llm_rows():
    rng = random.Random(20240601)
    apps = zipf_table(120, 0.9)
    rates, stays = (4.8, 14.4), (20.0, 4.0)  # requests per second, seconds: calm and burst; 6.4 per second on average
    now, state, until = 0.0, 0, exponential(rng, stays[0])
    yield "arrival_s,prompt_tokens,output_tokens,client"
    rows = 0
    while rows < 2000:
        gap = exponential(rng, 1.0 / rates[state])
        if now + gap > until:  # the process has no memory: start anew at the switch
            now, state = until, 1 - state
            until = now + exponential(rng, stays[state])
            continue
        now += gap
        prompt = clip(lognormal(rng, 900.0, 1.0), 16, 7000)
        output = clip(lognormal(rng, 70.0, 1.2), 1, 2000)
        yield f"{now:.4f},{prompt},{output},app-{zipf(rng, apps) + 1}"
        rows += 1


PAGES = ["/", "/products", "/products/17", "/products/42", "/cart", "/search?q=lamp", "/search?q=chair", "/about", "/blog/2024/05"]
PARTS = ["/css/site.css", "/js/app.js", "/img/logo.svg", "/img/hero.jpg", "/fonts/text.woff2", "/favicon.ico"]
AGENTS = ["ExampleBrowser/5.1 (X11; Linux x86_64)", "ExampleBrowser/5.0 (Macintosh)", "PocketBrowser/3.2 (Mobile)"]


def log_line(address, at, request, status, size, referer, agent):
    minute, second = divmod(int(at), 60)
    return f'{address} - - [03/Jun/2024:12:{minute:02}:{second:02} +0000] "{request}" {status} {size} "{referer}" "{agent}"'


def visit(rng, address, at):
    """A page, and most times some of its parts within the next seconds."""
    agent = pick(rng, AGENTS)
    page = pick(rng, PAGES)
    yield at, log_line(address, at, f"GET {page} HTTP/1.1", 200, clip(lognormal(rng, 9000.0, 0.6), 200, 99999), "-", agent)
    for part in PARTS[: int(rng.random() * (len(PARTS) + 1))]:
        at += exponential(rng, 0.4)
        status, size = (304, 0) if rng.random() < 0.4 else (200, clip(lognormal(rng, 15000.0, 1.0), 100, 999999))
        yield at, log_line(address, at, f"GET {part} HTTP/1.1", status, size, f"https://shop.example{page}", agent)


def oddity(rng, address, at):
    if rng.random() < 0.5:
        return at, log_line(address, at, r"\x16\x03\x01\x02", 400, 226, "-", "-")
    return at, log_line(address, at, "-", 408, 0, "-", "-")


def log_lines():
    rng = random.Random(20240603)
    addresses = [f"10.{int(rng.random() * 256)}.{int(rng.random() * 256)}.{1 + int(rng.random() * 254)}" for _ in range(340)]
    addresses += [f"2001:db8:{int(rng.random() * 65536):x}::{1 + int(rng.random() * 65535):x}" for _ in range(60)]
    order = sorted((rng.random(), address) for address in addresses)
    addresses = [address for _, address in order]
    clients = zipf_table(len(addresses), 1.0)
    lines = []
    while len(lines) < 3000:
        at = rng.random() * 3590.0
        address = addresses[zipf(rng, clients)]
        lines += [oddity(rng, address, at)] if rng.random() < 0.04 else visit(rng, address, at)
    lines = [line for line in lines if line[0] < 3600.0][:3000]
    return [line for _, line in sorted(lines)]


def write(name, lines):
    """Without the file's name and time in the header, so that the same content is the same file."""
    text = "".join(f"{line}\n" for line in lines).encode()
    with open(HERE / name, "wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=9, mtime=0) as packed:
        packed.write(text)


if __name__ == "__main__":
    write("llm-small.csv.gz", llm_rows())
    write("access-small.log.gz", log_lines())
