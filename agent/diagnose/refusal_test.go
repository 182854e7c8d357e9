package diagnose

import (
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestWhatLinkersAndShellsSayIsToldAsWhatItIs(t *testing.T) {
	for name, c := range map[string]struct {
		exit       int
		said       string
		code       contract.Code
		says, hint string
	}{
		"a library that is cut": {127, "python: error while loading shared libraries: /opt/lib/libpython3.11.so.1.0: file too short",
			contract.CodeTrainingFailed, "libpython3.11.so.1.0: file too short.", "is damaged"},
		"a library for another processor": {127, "/app/train: error while loading shared libraries: libfoo.so.1: wrong ELF class: ELFCLASS32",
			contract.CodeTrainingFailed, "wrong ELF class", "built for each other"},
		"a library that is not there": {127, "python: error while loading shared libraries: libpython3.11.so.1.0: cannot open shared object file: No such file or directory",
			contract.CodeTrainingFailed, "lacks the system library libpython3.11.so.1.0", "Dockerfile"},
		"a symbol that is not there": {127, "Error relocating /app/train: pthread_yield: symbol not found",
			contract.CodeTrainingFailed, "pthread_yield: symbol not found.", "built for each other"},
		"a newer system": {1, "/app/train: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /app/train)",
			contract.CodeTrainingFailed, "GLIBC_2.34", "newer base image"},
		"a newer system behind a command that nobody missed": {127, "run.sh: line 2: nvidia-smi: command not found\npython3: /lib/libm.so.6: version `GLIBC_2.29' not found (required by python3)",
			contract.CodeTrainingFailed, "GLIBC_2.29", "newer base image"},
		"another processor": {126, "/app/run.sh: line 3: /app/tool: cannot execute binary file: Exec format error",
			contract.CodeConfigInvalid, "no program for this machine", "this machine's processor"},
		"an interpreter that is not there": {126, "/bin/bash: /app/run.sh: /bin/zsh: bad interpreter: No such file or directory",
			contract.CodeConfigInvalid, "/bin/zsh: bad interpreter", "first line (#!)"},
		"line ends of Windows": {127, `/usr/bin/env: ‘python3\r’: No such file or directory`,
			contract.CodeConfigInvalid, "line ends of Windows", "(LF)"},
		"a file mode": {126, "/app/run.sh: line 7: ./prepare: Permission denied",
			contract.CodeConfigInvalid, "./prepare: Permission denied.", "chmod +x"},
		"the last of two commands": {127, "run.sh: line 2: nvidia-smi: command not found\nstarting\nrun.sh: line 9: pyton: command not found",
			contract.CodeConfigInvalid, "A command was not found: pyton.", "scripts that it runs"},
		"a command that nobody missed": {126, "run.sh: line 2: nvidia-smi: command not found", contract.CodeConfigInvalid, "can't be executed (code 126)", ""},
		"a file that nobody needed": {127, "run.sh: line 2: ./x: Permission denied\nrun.sh: line 9: pyton: command not found\nrun.sh: line 12: ./y: Permission denied",
			contract.CodeConfigInvalid, "not found: pyton.", ""},
		"zsh":         {127, "zsh:1: command not found: torchrun", contract.CodeConfigInvalid, "not found: torchrun.", ""},
		"env":         {127, "/usr/bin/env: 'python': No such file or directory", contract.CodeConfigInvalid, "not found: python.", ""},
		"a path":      {127, "run.sh: line 9: /opt/conda/bin/python: No such file or directory", contract.CodeConfigInvalid, "not found: /opt/conda/bin/python.", ""},
		"timeout":     {127, "timeout: failed to run command ‘pyton’: No such file or directory", contract.CodeConfigInvalid, "not found: pyton.", ""},
		"code 2":      {2, "run.sh: line 5: syntax error near unexpected token `fi'", contract.CodeTrainingFailed, "code 2. The last error that it printed: run.sh: line 5", ""},
		"ls":          {2, "ls: cannot access '/opt/x': No such file or directory", contract.CodeTrainingFailed, "The last one: ls: cannot access", ""},
		"a redirect":  {1, "run.sh: line 3: /srv/out: Permission denied", contract.CodeTrainingFailed, "/srv/out: Permission denied", ""},
		"can't read":  {2, "python: can't open file '/app/train.py': [Errno 13] Permission denied", contract.CodeTrainingFailed, "[Errno 13] Permission denied", ""},
		"no training": {127, "", contract.CodeConfigInvalid, "A command was not found (code 127).", ""},
	} {
		f := Diagnose(Evidence{ExitCode: c.exit, Checkpoints: -1, LogTail: log(c.said)})
		if f == nil || f.Code != c.code || !strings.Contains(f.Message, c.says) || !strings.Contains(f.Hint, c.hint) || f.Retryable {
			t.Errorf("%s: %s", name, told(f))
		}
	}
}
