#!/usr/bin/python3
"""Opens a page in headless Chromium and says what it did, as JSON lines on standard output.

browse.py PAGE: opens the file, evaluates the JavaScript on standard input in it once it has loaded, and prints
  {"value": ...}     what that came to
  {"request": URL}   for every request but the one for the page itself
  {"complaint": ...} for every error or warning of the console, exception, and violation of the Content-Security-Policy
Speaks the DevTools protocol over a pair of pipes (--remote-debugging-pipe: file descriptors 3 and 4, messages end in NUL), which
takes nothing but Python's own library.
"""
import fcntl
import json
import os
import subprocess
import sys
import tempfile


class Browser:
    def __init__(self, profile):
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()

        def give_pipes():
            # Out of the way first: either may be 3 or 4 already.
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (read_there, write_there)]
            for number, end in zip((3, 4), ends):
                os.dup2(end, number)

        self.process = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"],
            close_fds=False, preexec_fn=give_pipes, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(read_there)
        os.close(write_there)
        self.out = os.fdopen(write_here, "wb", buffering=0)
        self.answers = os.fdopen(read_here, "rb", buffering=0)
        self.buffered = b""
        self.last_id = 0
        self.events = []

    def receive(self):
        while b"\0" not in self.buffered:
            part = self.answers.read(65536)
            if not part:
                sys.exit("the browser closed its pipe")
            self.buffered += part
        message, self.buffered = self.buffered.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **params):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.last_id:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())


def complaint_of(event):
    method, params = event.get("method"), event.get("params", {})
    if method == "Runtime.exceptionThrown":
        return params["exceptionDetails"]
    if method == "Log.entryAdded" and params["entry"]["level"] in ("warning", "error"):
        return params["entry"]["text"]
    if method == "Runtime.consoleAPICalled" and params["type"] in ("warning", "error", "assert"):
        return params["args"]
    return None


def main():
    url = "file://" + os.path.abspath(sys.argv[1])
    script = sys.stdin.read()
    with tempfile.TemporaryDirectory(prefix="parallax-browser-", ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            browser.call(domain + ".enable", session)
        browser.call("Page.navigate", session, url=url)
        browser.wait_for("Page.loadEventFired")
        answer = browser.call("Runtime.evaluate", session, expression=script, returnByValue=True, awaitPromise=True)
        # What the script set off has reached the log once a second question is answered.
        browser.call("Runtime.evaluate", session, expression="new Promise(done => setTimeout(done, 200))", awaitPromise=True)
        if "exceptionDetails" in answer:
            print(json.dumps({"complaint": answer["exceptionDetails"]}))
        print(json.dumps({"value": answer["result"].get("value")}))
        for event in browser.events:
            if event.get("method") == "Network.requestWillBeSent" and event["params"]["request"]["url"] != url:
                print(json.dumps({"request": event["params"]["request"]["url"]}))
            complaint = complaint_of(event)
            if complaint:
                print(json.dumps({"complaint": complaint}))
        browser.call("Browser.close")
        browser.process.wait(timeout=20)


if __name__ == "__main__":
    main()
