// Package images builds the images as they are shipped and runs them as an OCI
// runtime does, confined like the pods of deploy/k8s: read-only root, uid 1000, no
// capability, seccomp. It promises that an image carries a job from its
// environment to a delivered done. It leaves the registries' own bases to a
// machine that reaches one: here local ones stand in (testdata/bases.Dockerfile).
package images

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	token   = jobtest.Token
	dataset = "tiny"

	// patience bounds waits for events; nothing depends on its length.
	patience = 5 * time.Minute
)

// shared is a real S3 server and a recording backend on the machine's loopback,
// which the containers share with the tests.
var shared struct {
	*jobtest.Platform
	dir string // scratch: runc's state, bundles
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trainer-images-*")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	shared.dir = dir
	if shared.Platform, err = jobtest.Start(filepath.Join(dir, "platform")); err != nil {
		panic(err)
	}
	defer func() { _ = shared.Close() }()
	for _, task := range []contract.TaskType{contract.TaskObjectDetection, contract.TaskImageClassification} {
		if err := shared.Put(contract.DatasetZipKey(datasetOf(task)), jobtest.Dataset(task, 16)); err != nil {
			panic(err)
		}
	}
	defer unmount()
	lookAtInputs()
	return m.Run()
}

// lookAtInputs stats what the images are built from, by other processes: go test
// then knows that its result is old when one of these files has changed.
func lookAtInputs() {
	for _, dir := range []string{"../agent", "../cmd", "../contract", "../converters", "../deploy", "../hub", "../images", "../trainers", "../testdata/trainers", "../testdata/attacks"} {
		_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error {
			_, _ = os.Stat(path)
			return nil
		})
	}
	for _, file := range []string{"../go.mod", "../go.sum", "../Makefile", "../.dockerignore"} {
		_, _ = os.Stat(file)
	}
}

func datasetOf(task contract.TaskType) string { return dataset + "-" + string(task) }
