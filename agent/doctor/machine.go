package doctor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

func (o Options) machine() []Finding {
	folder := os.TempDir()
	if ws, err := job.NewWorkspace(o.WorkspaceDir, o.StateDir); err == nil {
		if _, err := os.Stat(ws.Root); err == nil {
			folder = ws.Root
		}
	}
	s, err := o.Machine.Sample(folder)
	if err != nil {
		return []Finding{{Yellow, "machine", err.Error(), ""}}
	}
	var list []Finding
	if s.Memory != nil {
		list = append(list, memory(s.Memory.UsedBytes, s.Memory.LimitBytes))
	}
	if s.CPU != nil {
		list = append(list, cores(float64(s.CPU.Limit), o.Machine.Workers))
	}
	if s.Shm != nil {
		list = append(list, shm(s.Shm.TotalBytes, o.Machine.ShmNeed, o.Machine.Workers))
	}
	limits := host.LimitsOf("/", os.Getpid())
	f := Finding{Green, "limits", fmt.Sprintf("%d open files, %d processes", limits.OpenFiles, limits.Processes), ""}
	if limits.OpenFiles > 0 && limits.OpenFiles < 4096 {
		f.Grade, f.Fix = Yellow, "Raise the limit of open files (ulimit -n) to 4096 or more: data loaders run out of them."
	}
	return append(list, f)
}

func memory(used, limit int64) Finding {
	f := Finding{Green, "memory", contract.Bytes(used) + " of memory in use, no limit", ""}
	if limit > 0 {
		f.Text = contract.Bytes(used) + " of memory in use, limit " + contract.Bytes(limit)
		if used > limit*9/10 {
			f.Grade, f.Fix = Yellow, "Ask for more memory: the kernel kills the training at the limit."
		}
	}
	return f
}

func shm(total, need int64, workers int) Finding {
	if need > total {
		return Finding{Red, "shm", fmt.Sprintf("/dev/shm has %s, %d workers need about %s", contract.Bytes(total), workers, contract.Bytes(need)),
			"Mount a memory-backed volume at /dev/shm, or use fewer workers."}
	}
	return Finding{Green, "shm", "/dev/shm has " + contract.Bytes(total), ""}
}

// cores judges the processors that the cgroup, or the machine, allows.
func cores(limit float64, workers int) Finding {
	f := Finding{Green, "cpu", fmt.Sprintf("%.3g cores allowed", limit), ""}
	if float64(workers) > 2*limit {
		f.Grade, f.Fix = Yellow, fmt.Sprintf("%d workers share them: use fewer (NUM_WORKERS), or ask for more processors.", workers)
	}
	return f
}

// signalsApart is the version of Landlock that keeps signals apart.
const signalsApart = 6

// isolation judges what the kernel can keep a training process from.
func isolation(landlock int) Finding {
	switch {
	case landlock == 0:
		return Finding{Yellow, "isolation", "the kernel has no Landlock: a training process of the agent's own user can read its files",
			"Give secrets as environment variables in place of files, or set AGENT_RUN_AS; Linux 5.19 and newer has Landlock among its security modules."}
	case landlock < signalsApart:
		return Finding{Yellow, "isolation", fmt.Sprintf("Landlock %d keeps files apart, but not signals", landlock), "Use Linux 6.12 or newer for the code of strangers, or set AGENT_RUN_AS."}
	}
	return Finding{Green, "isolation", fmt.Sprintf("Landlock %d keeps the training process from the agent's files and signals", landlock), ""}
}

// inReach is what a job would warn of, or be refused for.
func inReach(reached string) Finding {
	text, cure, _ := strings.Cut(reached, ": ")
	return Finding{Yellow, "isolation", text, cure}
}

// gpu lets the probe look, as it does beside a job.
func (o Options) gpu(ctx context.Context) Finding {
	_, err := os.Stat("/dev/nvidiactl")
	visible := err == nil
	probe := o.GPU.Probe
	if _, err := exec.LookPath(probe); err != nil {
		if visible {
			return Finding{Yellow, "gpu", "a GPU is visible, but the probe " + probe + " is not here", "Copy trainer-gpu beside trainer-agent: without it nobody watches the GPU's health."}
		}
		return o.noGPU("none is visible")
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	look := exec.CommandContext(ctx, probe, "--once")
	look.Dir, look.Env = "/", o.Environ
	out, err := look.Output()
	var reason string
	for line := range bytes.Lines(out) {
		var l contract.ProbeLine
		if json.Unmarshal(line, &l) != nil {
			continue
		}
		switch l.Type {
		case contract.ProbeHello:
			if len(l.GPUs) > 0 {
				return Finding{Green, "gpu", fmt.Sprintf("%s, driver %s", gpuNames(l.GPUs), l.Driver), ""}
			}
		case contract.ProbeFatal:
			reason = l.Reason
		}
	}
	if ctx.Err() != nil {
		return Finding{Red, "gpu", "the driver does not answer", "Drain the node" + o.GPU.node() + " and reboot it: a driver call hangs."}
	}
	if visible {
		return Finding{Red, "gpu", strings.TrimSpace(fmt.Sprintf("visible, but cannot be used: %s %s", reason, errorText(err))), "Check the node's driver with nvidia-smi."}
	}
	return o.noGPU(strings.TrimSuffix("none is visible: "+reason, ": "))
}

func (o Options) noGPU(text string) Finding {
	if strings.HasPrefix(o.GPU.Device, "cuda") {
		return Finding{Red, "gpu", text + ", and DEVICE is " + o.GPU.Device, "Ask for a GPU (nvidia.com/gpu in the pod's limits, --gpus with docker), or set DEVICE=cpu."}
	}
	return Finding{Green, "gpu", text, ""}
}

// node names the node, where it is known.
func (g GPU) node() string {
	if g.Node == "" {
		return ""
	}
	return " " + g.Node
}

// gpuNames tells equal ones once: "2 × NVIDIA H100".
func gpuNames(gpus []contract.ProbeGPU) string {
	count := map[string]int{}
	for _, g := range gpus {
		count[g.Name]++
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		list = append(list, fmt.Sprintf("%d × %s", count[name], cmp.Or(name, "GPU")))
	}
	return strings.Join(list, ", ")
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return "(" + err.Error() + ")"
}

// frameworkVersions asks Python itself what is installed; it imports none of it.
const frameworkVersions = `import sys, importlib.metadata as m
def v(n):
    try: return n + " " + m.version(n)
    except m.PackageNotFoundError: return ""
print("Python " + sys.version.split()[0], *filter(None, map(v, ("torch", "ultralytics", "timm", "transformers"))), sep=", ")`

func (o Options) python(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, name := range []string{"python", "python3"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		// A training that ran here before may have left code that Python runs when it
		// starts, in HOME or in this folder: it is not looked at, and would find no secret.
		ask := exec.CommandContext(ctx, path, "-I", "-c", frameworkVersions)
		ask.Dir, ask.Env = "/", o.Environ
		out, err := ask.Output()
		if err != nil {
			return Finding{Red, "python", path + " does not run: " + err.Error(), "Mend the image's Python."}
		}
		return Finding{Green, "python", path + ": " + strings.TrimSpace(string(out)), ""}
	}
	return Finding{Yellow, "python", "not in PATH", "A trainer that is not Python needs none; others do."}
}
