"""Runs a command on a terminal of its own. Reads one JSON object from stdin: the command, and what to wait for and then
type, step by step; prints the transcript as JSON. `ctrl-c` is what the key sends."""
import json, os, pty, re, select, signal, struct, sys, termios, time, fcntl

task = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(task.get("env", {}))
    os.execvp(task["command"][0], task["command"])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
transcript, seen, failed = "", 0, None

def read(until):
    global transcript
    ready, _, _ = select.select([terminal], [], [], max(0.0, until - time.monotonic()))
    if not ready:
        return False
    try:
        data = os.read(terminal, 65536)
    except OSError:
        return None
    if not data:
        return None
    transcript += data.decode("utf-8", "replace")
    return True

def cpu():
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

idle = []
for step in task["steps"]:
    if "idle" in step:
        time.sleep(step["after"])
        before, begun = cpu(), time.monotonic()
        time.sleep(step["idle"])
        idle.append((cpu() - before) / (time.monotonic() - begun))
        continue
    if "wait" in step:
        pattern, deadline = re.compile(step["wait"]), time.monotonic() + step.get("seconds", 20)
        while True:
            found = pattern.search(transcript, seen)
            if found:
                seen = found.end()
                break
            if time.monotonic() > deadline or read(deadline) is None:
                failed = step["wait"]
                break
        if failed:
            break
    if "type" in step:
        os.write(terminal, step["type"].replace("ctrl-c", "\x03").replace("ctrl-d", "\x04").encode())
deadline = time.monotonic() + 20
ended = None
while not failed and (ended := read(deadline)):
    pass
if failed or ended is False:
    failed = failed or "the end"
    os.kill(pid, signal.SIGKILL)
_, status = os.waitpid(pid, 0)
print(json.dumps({"transcript": transcript, "failed": failed, "idle": idle, "code": os.waitstatus_to_exitcode(status)}))
