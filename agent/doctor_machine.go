package agent

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
	"github.com/vision-platform/trainer-agent/agent/monitor/resources"
	"github.com/vision-platform/trainer-agent/contract"
)

func (j *job) examineMachine() []Finding {
	workspace := j.ws.root
	if workspace == "" {
		workspace = os.TempDir()
	}
	sampler, err := resources.New(resources.Options{Workspace: workspace})
	if err != nil {
		return []Finding{{Yellow, "machine", err.Error(), ""}}
	}
	s := sampler.Sample()
	var list []Finding
	if m := s.Memory; m != nil {
		text := contract.Bytes(m.UsedBytes) + " of memory in use, no limit"
		if m.LimitBytes > 0 {
			text = contract.Bytes(m.UsedBytes) + " of memory in use, limit " + contract.Bytes(m.LimitBytes)
		}
		f := Finding{Green, "memory", text, ""}
		if m.LimitBytes > 0 && m.UsedBytes > m.LimitBytes*9/10 {
			f.Grade, f.Fix = Yellow, "Ask for more memory: the kernel kills the training at the limit."
		}
		list = append(list, f)
	}
	if s.CPU != nil {
		list = append(list, cores(float64(s.CPU.Limit), j.cfg.NumWorkers))
	}
	if s.Shm != nil {
		f := Finding{Green, "shm", "/dev/shm has " + contract.Bytes(s.Shm.TotalBytes), ""}
		if need := resources.ShmNeed(j.cfg.Framework, j.cfg.NumWorkers, j.cfg.BatchSize, j.cfg.ImageSize); need > s.Shm.TotalBytes {
			f = Finding{Red, "shm", fmt.Sprintf("/dev/shm has %s, %d workers need about %s", contract.Bytes(s.Shm.TotalBytes), j.cfg.NumWorkers, contract.Bytes(need)),
				"Mount a memory-backed volume at /dev/shm, or use fewer workers."}
		}
		list = append(list, f)
	}
	limits := host.LimitsOf("/", os.Getpid())
	f := Finding{Green, "limits", fmt.Sprintf("%d open files, %d processes", limits.OpenFiles, limits.Processes), ""}
	if limits.OpenFiles > 0 && limits.OpenFiles < 4096 {
		f.Grade, f.Fix = Yellow, "Raise the limit of open files (ulimit -n) to 4096 or more: data loaders run out of them."
	}
	return append(list, f)
}

// cores judges the processors that the cgroup, or the machine, allows.
func cores(limit float64, workers int) Finding {
	f := Finding{Green, "cpu", fmt.Sprintf("%.3g cores allowed", limit), ""}
	if float64(workers) > 2*limit {
		f.Grade, f.Fix = Yellow, fmt.Sprintf("%d workers share them: use fewer (NUM_WORKERS), or ask for more processors.", workers)
	}
	return f
}

// examineGPU lets the probe look, as it does beside a job.
func (j *job) examineGPU(ctx context.Context) Finding {
	_, err := os.Stat("/dev/nvidiactl")
	visible := err == nil
	probe := findProbe(j.cfg.GPUProbe)
	if _, err := exec.LookPath(probe); err != nil {
		if visible {
			return Finding{Yellow, "gpu", "a GPU is visible, but the probe " + probe + " is not here", "Copy trainer-gpu beside trainer-agent: without it nobody watches the GPU's health."}
		}
		return j.noGPU("none is visible")
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, probe, "--once").Output()
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
		return Finding{Red, "gpu", "the driver does not answer", "Drain the node and reboot it: a driver call hangs."}
	}
	if visible {
		return Finding{Red, "gpu", strings.TrimSpace(fmt.Sprintf("visible, but cannot be used: %s %s", reason, errorText(err))), "Check the node's driver with nvidia-smi."}
	}
	return j.noGPU(strings.TrimSuffix("none is visible: "+reason, ": "))
}

func (j *job) noGPU(text string) Finding {
	if strings.HasPrefix(j.cfg.Device, "cuda") {
		return Finding{Red, "gpu", text + ", and DEVICE is " + j.cfg.Device, "Ask for a GPU (nvidia.com/gpu in the pod's limits, --gpus with docker), or set DEVICE=cpu."}
	}
	return Finding{Green, "gpu", text, ""}
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

func (j *job) examinePython(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, name := range []string{"python", "python3"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "-c", frameworkVersions).Output()
		if err != nil {
			return Finding{Red, "python", path + " does not run: " + err.Error(), "Mend the image's Python."}
		}
		return Finding{Green, "python", path + ": " + strings.TrimSpace(string(out)), ""}
	}
	return Finding{Yellow, "python", "not in PATH", "A trainer that is not Python needs none; others do."}
}
