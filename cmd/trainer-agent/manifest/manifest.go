// Package manifest makes one job's Kubernetes manifest of the shipped ones: the
// Job of deploy/k8s/base, for several machines patched as deploy/k8s/nodes does.
//
// It promises that what it prints follows the same laws (exit codes, times, pod
// security) and holds no secret, only references to a Secret. It leaves reading
// the job's settings to its caller and applying the result to kubectl.
package manifest

import (
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// The files are copies of deploy/k8s's, which an image's build does not see; a
// test holds them equal.
//
//go:generate cp ../../../deploy/k8s/base/job.yaml ../../../deploy/k8s/nodes/indexed.yaml ../../../deploy/k8s/nodes/service.yaml .
//go:embed job.yaml indexed.yaml service.yaml
var shipped embed.FS

// secretsDir is where the base mounts the Secret.
const secretsDir = "/var/run/secrets/trainer/"

// Options is what a job's manifest needs to know.
type Options struct {
	JobID, Name, Namespace, Image string
	GPUs, Nodes                   int
	CPU, Memory, Disk             string // Kubernetes quantities; empty keeps the base's, or follows Memory
	ServiceAccount                string
	Secret                        string        // its name
	CacheClaim                    string        // PersistentVolumeClaim of the cache; empty keeps the pod's own folder
	Env                           []Variable    // the job's settings
	Secrets                       []string      // variables that come from the Secret
	Withheld                      []string      // variables that are not in the manifest, because they seem secret
	MaxTraining, StopGrace        time.Duration // 0 keeps the base's
}

// Variable is one environment variable.
type Variable struct{ Name, Value string }

// SecretKey is the Secret's key for a variable.
func SecretKey(variable string) string {
	key := strings.TrimPrefix(strings.TrimPrefix(variable, "AWS_"), "R2_")
	return strings.ToLower(strings.ReplaceAll(key, "_", "-"))
}

// Write writes the manifest.
func Write(w io.Writer, o Options) error {
	job, err := load("job.yaml")
	if err != nil {
		return err
	}
	documents := []yaml.MapSlice{job}
	if o.Nodes > 1 {
		patch, err := load("indexed.yaml")
		if err != nil {
			return err
		}
		service, err := load("service.yaml")
		if err != nil {
			return err
		}
		documents = []yaml.MapSlice{o.service(service), merge(job, patch).(yaml.MapSlice)}
	}
	documents[len(documents)-1] = o.job(documents[len(documents)-1])
	if _, err := io.WriteString(w, o.head()); err != nil {
		return err
	}
	for i, d := range documents {
		b, err := yaml.MarshalWithOptions(d, yaml.IndentSequence(true))
		if err != nil {
			return fmt.Errorf("writing the manifest: %w", err)
		}
		if i > 0 {
			b = append([]byte("---\n"), b...)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func load(name string) (document yaml.MapSlice, err error) {
	b, err := shipped.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if err := yaml.UnmarshalWithOptions(b, &document, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("reading the shipped %s: %w", name, err)
	}
	return document, nil
}

// head tells how to make the Secret.
func (o Options) head() string {
	create := "kubectl create secret generic " + o.Secret
	if o.Namespace != "" {
		create += " --namespace " + o.Namespace
	}
	for _, s := range o.Secrets {
		create += " --from-file=" + SecretKey(s) + "=FILE"
	}
	head := "# Job " + o.JobID + ". Its Secret:\n# " + create + "\n"
	if len(o.Withheld) > 0 {
		head += "# Not in the Job, because they look like secrets: " + strings.Join(o.Withheld, ", ") + ". Add each to env with a secretKeyRef.\n"
	}
	if own := o.loopback(); len(own) > 0 {
		head += "# In the pod these addresses lead to the pod itself, where nothing answers: " + strings.Join(own, ", ") + ".\n"
	}
	return head
}

// loopback names the variables with addresses of this machine alone.
func (o Options) loopback() (names []string) {
	for _, v := range o.Env {
		u, err := url.Parse(v.Value)
		if err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()) {
			names = append(names, v.Name)
		}
	}
	return names
}

// job fills in the Job.
func (o Options) job(job yaml.MapSlice) yaml.MapSlice {
	job = o.named(job)
	const spec, pod = "spec", "spec.template.spec"
	if o.MaxTraining > 0 {
		job = set(job, spec+".activeDeadlineSeconds", int(o.deadline().Seconds()))
	}
	if o.StopGrace > 0 {
		job = set(job, pod+".terminationGracePeriodSeconds", int(o.StopGrace.Seconds())+10)
	}
	if o.ServiceAccount != "" {
		job = set(job, pod+".serviceAccountName", o.ServiceAccount)
	}
	if o.Nodes > 1 {
		job = set(job, spec+".completions", o.Nodes)
		job = set(job, spec+".parallelism", o.Nodes)
		job = set(job, spec+".backoffLimit", 6*o.Nodes)
		job = set(job, pod+".subdomain", o.Name)
	}
	container := get(job, pod+".containers").([]any)[0].(yaml.MapSlice)
	job = set(job, pod+".containers", []any{o.container(container)})
	volumes := get(job, pod+".volumes").([]any)
	for i, v := range volumes {
		volumes[i] = o.volume(v.(yaml.MapSlice))
	}
	return job
}

func (o Options) container(c yaml.MapSlice) yaml.MapSlice {
	c = set(c, "image", o.Image)
	c = remove(c, "envFrom") // the settings stand in the Job itself
	var env []any
	for _, v := range o.Env {
		env = append(env, variable(v.Name, v.Value))
	}
	for _, s := range o.Secrets {
		env = append(env, variable(s+"_FILE", secretsDir+SecretKey(s)))
	}
	if o.Nodes > 1 {
		env = append(env, variable("NNODES", strconv.Itoa(o.Nodes)))
	}
	c = set(c, "env", merge(get(c, "env"), env))
	if o.GPUs == 0 {
		limits, _ := get(c, "resources.limits").(yaml.MapSlice)
		c = set(c, "resources.limits", remove(limits, "nvidia.com/gpu"))
	} else {
		limits, _ := get(c, "resources.limits").(yaml.MapSlice)
		c = set(c, "resources.limits", put(limits, "nvidia.com/gpu", strconv.Itoa(o.GPUs)))
	}
	if o.CPU != "" {
		c = set(c, "resources.requests.cpu", o.CPU)
	}
	if o.Memory != "" {
		c = set(c, "resources.requests.memory", o.Memory)
		c = set(c, "resources.limits.memory", o.Memory)
		c = set(c, "resources.requests.ephemeral-storage", times(o.Memory, 3)) // about the base's proportion
	}
	if o.Disk != "" {
		c = set(c, "resources.requests.ephemeral-storage", o.Disk)
	}
	return c
}

// deadline counts from the Job's start over all attempts, as the base's does: each has
// an hour beside the training for download and flush, and all of them a day of waiting
// for a machine.
func (o Options) deadline() time.Duration { return attempts*(o.MaxTraining+time.Hour) + 24*time.Hour }

// attempts is the base's backoffLimit of 6 and the first try.
const attempts = 7

func (o Options) volume(v yaml.MapSlice) yaml.MapSlice {
	name, _ := get(v, "name").(string)
	switch {
	case get(v, "secret") != nil:
		return set(v, "secret.secretName", o.Secret)
	case name == "shm" && o.Memory != "": // what lies in it counts as the container's memory
		return set(v, "emptyDir.sizeLimit", times(o.Memory, 0.5))
	case name == "cache" && o.CacheClaim != "":
		return yaml.MapSlice{{Key: "name", Value: name}, {Key: "persistentVolumeClaim", Value: yaml.MapSlice{{Key: "claimName", Value: o.CacheClaim}}}}
	}
	return v
}

// times multiplies a quantity that was checked: a number and its unit.
func times(quantity string, factor float64) string {
	number := strings.TrimRight(quantity, "kKMGTmi")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return quantity
	}
	return strconv.FormatFloat(n*factor, 'f', -1, 64) + quantity[len(number):]
}

func (o Options) service(s yaml.MapSlice) yaml.MapSlice {
	selector := yaml.MapSlice{{Key: "batch.kubernetes.io/job-name", Value: o.Name}}
	return set(o.named(s), "spec.selector", selector)
}

func (o Options) named(object yaml.MapSlice) yaml.MapSlice {
	object = set(object, "metadata.name", o.Name)
	if o.Namespace != "" {
		object = set(object, "metadata.namespace", o.Namespace)
	}
	return object
}

func variable(name, value string) yaml.MapSlice {
	value = strings.ReplaceAll(value, "$", "$$") // Kubernetes would put another variable there, and one dollar for two
	return yaml.MapSlice{{Key: "name", Value: name}, {Key: "value", Value: scalar(value)}}
}

// scalar is a text that every reader of YAML takes for one: the package yaml writes
// 12e3, 1_000 and ? without quotes.
type scalar string

// MarshalYAML writes the text as a JSON string, which YAML has too.
func (s scalar) MarshalYAML() ([]byte, error) { return json.Marshal(string(s)) }
