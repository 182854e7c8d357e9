package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

const (
	app   = "app"
	venv  = "opt/trainers/venv"
	agent = "usr/local/bin/trainer-agent"
	user  = 1000
)

// Image is what an image is assembled of.
type Image struct {
	Base        *Base
	Agent       string // trainer-agent, built for the base's system
	Environment *Environment
	Source      string // folder of the package
	Name        string
	Version     string
}

// Assemble puts three layers on the base: the agent, the wheels, the package. Layers are
// files in dir, which must stay as long as the image is used.
func (i Image) Assemble(dir string) (v1.Image, error) {
	agentLayer, agentErr := writeLayer(filepath.Join(dir, "agent.tar.gz"), i.addAgent)
	wheels, wheelsErr := writeLayer(filepath.Join(dir, "wheels.tar.gz"), func(l *layer) error { return i.Environment.addTo(l, i.Base.Python) })
	source, sourceErr := writeLayer(filepath.Join(dir, "app.tar.gz"), func(l *layer) error { return l.tree(i.Source, app, asItIs) })
	if err := errors.Join(agentErr, wheelsErr, sourceErr); err != nil {
		return nil, err
	}
	var adds []mutate.Addendum
	for _, part := range []struct {
		layer v1.Layer
		what  string
	}{{agentLayer, "trainer-agent"}, {wheels, "wheels"}, {source, "package"}} {
		adds = append(adds, mutate.Addendum{Layer: part.layer, History: v1.History{CreatedBy: "trainer-hub", Comment: part.what}})
	}
	image, err := mutate.Append(i.Base.Image, adds...)
	if err != nil {
		return nil, fmt.Errorf("assembling the image: %w", err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the base's configuration: %w", err)
	}
	file = file.DeepCopy()
	file.Created = v1.Time{} // the same input, the same image
	i.configure(&file.Config)
	return mutate.ConfigFile(image, file)
}

func (i Image) addAgent(l *layer) error {
	file, err := os.Open(i.Agent)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	// Whoever cannot read a program cannot read the environment of one that runs it.
	return errors.Join(l.file(agent, 0o711, info.Size(), file), l.folder("workspace", user))
}

// configure makes the image a trainer's, as docs/trainers.md describes one.
func (i Image) configure(c *v1.Config) {
	// By its path: the base's PATH may leave out where it lies.
	c.Entrypoint, c.Cmd, c.StopSignal = []string{"/" + agent, "run", "--trainer", ".", "--"}, nil, "SIGTERM"
	c.WorkingDir, c.User = "/"+app, fmt.Sprintf("%d:%d", user, user)
	for _, pair := range []string{
		"FRAMEWORK=" + i.Name, "TRAINER_NAME=" + i.Name, "TRAINER_VERSION=" + i.Version, "PATH=/" + venv + "/bin:" + searched(c.Env), "VIRTUAL_ENV=/" + venv,
		"PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1", "WORKSPACE_DIR=/workspace", "HOME=/tmp", "AGENT_METRICS_ADDR=127.0.0.1:9464",
	} {
		name, _, _ := strings.Cut(pair, "=")
		c.Env = slices.DeleteFunc(c.Env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		c.Env = append(c.Env, pair)
	}
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	c.Labels["org.opencontainers.image.title"], c.Labels["org.opencontainers.image.version"] = i.Name, i.Version
	c.Labels["org.opencontainers.image.base.digest"] = i.Base.Digest
}

// value is the last one that an environment gives a name.
func value(env []string, name string) (found string) {
	for _, pair := range env {
		if after, ok := strings.CutPrefix(pair, name+"="); ok {
			found = after
		}
	}
	return found
}
