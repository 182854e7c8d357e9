package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/cmd/trainer-agent/manifest"
	"github.com/vision-platform/trainer-agent/contract"
)

// ManifestCmd prints a Kubernetes Job.
type ManifestCmd struct {
	fromFile
	Image          string `required:"" help:"The trainer's image." placeholder:"IMAGE"`
	Name           string `help:"Name of the Job. By default trainer-JOB_ID, with a hash of it where Kubernetes cannot have it as it is." placeholder:"NAME"`
	Namespace      string `help:"Namespace of the Job." placeholder:"NAME"`
	GPUs           int    `name:"gpus" default:"1" help:"GPUs of each machine; 0 asks for none." placeholder:"N"`
	Nodes          int    `default:"1" help:"Machines; more than one make an Indexed Job and its Service." placeholder:"N"`
	CPU            string `name:"cpu" help:"CPUs to request." placeholder:"N"`
	Memory         string `help:"Memory of each machine, for example 32Gi. Half of it may be /dev/shm." placeholder:"SIZE"`
	Disk           string `help:"Ephemeral storage of each machine. By default three times --memory." placeholder:"SIZE"`
	CacheClaim     string `help:"PersistentVolumeClaim that jobs share as their cache of datasets and weights." placeholder:"NAME"`
	Secret         string `default:"trainer-job" help:"Secret with the token and the keys, as files." placeholder:"NAME"`
	ServiceAccount string `help:"Service account, for workload identity." placeholder:"NAME"`
}

// Help is shown below the flags.
func (ManifestCmd) Help() string {
	return `Examples:
  trainer-agent manifest --image registry/trainer-timm:1.4 | kubectl apply -f -
  trainer-agent manifest --env-file job.env --image registry/trainer-ultralytics:1.4 --nodes 2 --gpus 8 --namespace training

The job's settings come from this environment, as for "run". Secrets never do:
the Job takes them from files of the Secret, and the first lines say how to make
that.`
}

// left are variables that mean this machine, or that the manifest sets itself.
var left = []string{"WORKSPACE_DIR", "AGENT_STATE_DIR", "AGENT_DATASET_CACHE_DIR", "AGENT_METRICS_ADDR", "AGENT_LOCAL_BUCKET_DIR", "AGENT_RUN_AS"}

// Run prints the manifest.
func (c ManifestCmd) Run() error {
	cfg, problems := config.Load()
	secrets, problems := c.secrets(cfg, problems)
	if failure := config.Failure(append(problems, c.problems(cfg)...)); failure != nil {
		return failure
	}
	o := manifest.Options{
		JobID: cfg.JobID, Name: c.Name, Namespace: c.Namespace, Image: c.Image, GPUs: c.GPUs, Nodes: c.Nodes,
		CPU: c.CPU, Memory: c.Memory, Disk: c.Disk, CacheClaim: c.CacheClaim, ServiceAccount: c.ServiceAccount, Secret: c.Secret, Secrets: secrets,
	}
	if o.Name == "" {
		o.Name = manifest.Name(cfg.JobID)
	}
	known := map[string]bool{}
	for _, row := range cfg.Rows(nil) {
		known[row.Variable] = true
		if row.Source != "set" || row.Group == "nodes" || slices.Contains(left, row.Variable) || slices.Contains(config.SecretNames(), row.Variable) {
			continue
		}
		o.Env = append(o.Env, manifest.Variable{Name: row.Variable, Value: row.Value})
		switch row.Variable {
		case "MAX_TRAINING_TIME_SECONDS":
			o.MaxTraining = time.Duration(cfg.MaxTrainingSeconds) * time.Second
		case "AGENT_STOP_GRACE":
			o.StopGrace = cfg.StopGrace
		}
	}
	others, withheld := c.others(known)
	o.Env, o.Withheld = append(o.Env, others...), withheld
	return manifest.Write(os.Stdout, o)
}

var (
	// A proxy, traces and MLflow are settings that are not the agent's own.
	libraries = regexp.MustCompile(`^(?:OTEL|MLFLOW)_\w+$|^(?:HTTPS?|NO)_PROXY$|^(?:https?|no)_proxy$`)
	// Headers of the trace exporter carry its key; the store's own names come from the Secret.
	keyed = regexp.MustCompile(`^OTEL_\w*HEADERS$|^(?:AWS|R2|MINIO)_`)
)

// others are variables that the agent has no row for: those of libraries in it, and
// what the job's file gives the training script. withheld names those that seem secret.
func (c ManifestCmd) others(known map[string]bool) (env []manifest.Variable, withheld []string) {
	given := c.names()
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		switch {
		case value == "", known[name], slices.Contains(left, name), slices.Contains(config.SecretNames(), name), !libraries.MatchString(name) && !given[name]:
		case config.LooksSecret(name, value), keyed.MatchString(name):
			withheld = append(withheld, name)
		default:
			env = append(env, manifest.Variable{Name: name, Value: value})
		}
	}
	slices.SortFunc(env, func(a, b manifest.Variable) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(withheld)
	return env, withheld
}

// secrets lists the secrets that the job has or lacks here: in the cluster they
// come from the Secret. Their absence from this environment is no problem.
func (c ManifestCmd) secrets(cfg *config.Config, problems []config.Problem) (names []string, others []config.Problem) {
	all := config.SecretNames()
	for _, row := range cfg.Rows(nil) {
		if slices.Contains(all, row.Variable) && row.Source == "set" {
			names = append(names, row.Variable)
		}
	}
	for _, p := range problems {
		switch {
		case !slices.Contains(all, p.Variable) || p.Warning:
			others = append(others, p)
		case !strings.HasSuffix(p.Variable, "_FILE"):
			names = append(names, p.Variable)
		}
	}
	if cfg.AccessKeyID != "" && cfg.StorageType != "r2" {
		names = append(names, "AWS_SECRET_ACCESS_KEY")
	}
	names = append(names, "CALLBACK_TOKEN")
	slices.Sort(names)
	return slices.Compact(names), others
}

// problems are those of the flags, and of settings that no pod can have.
func (c ManifestCmd) problems(cfg *config.Config) (list []config.Problem) {
	say := func(name, value, expected string) {
		list = append(list, config.Problem{Variable: name, Value: value, Expected: expected})
	}
	label := regexp.MustCompile(`^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$`)
	quantity := regexp.MustCompile(`^[0-9]+(\.[0-9]+)?([KMGT]i|[kMGTm])?$`)
	for flag, value := range map[string]string{"--name": c.Name, "--namespace": c.Namespace, "--secret": c.Secret, "--cache-claim": c.CacheClaim, "--service-account": c.ServiceAccount} {
		if value != "" && !label.MatchString(value) {
			say(flag, value, "up to 52 lower-case letters, digits and hyphens")
		}
	}
	for flag, value := range map[string]string{"--cpu": c.CPU, "--memory": c.Memory, "--disk": c.Disk} {
		if value != "" && !quantity.MatchString(value) {
			say(flag, value, "a quantity such as 8 or 32Gi")
		}
	}
	if c.GPUs < 0 || c.Nodes < 1 || c.Nodes > 4096 {
		say("--nodes", "", "at least one machine, and --gpus of at least 0")
	}
	if cfg.StorageType == string(contract.StorageLocal) {
		say("STORAGE_TYPE", cfg.StorageType, "a store that the cluster reaches: s3, minio or r2")
	}
	if c.Nodes > 1 && cfg.JobType != string(contract.JobTraining) {
		say("--nodes", "", "1, because only training jobs run on several machines")
	}
	slices.SortFunc(list, func(a, b config.Problem) int { return strings.Compare(a.Variable, b.Variable) })
	return list
}
