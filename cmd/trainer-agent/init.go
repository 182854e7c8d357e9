package main

import (
	"fmt"
	"path/filepath"

	"github.com/vision-platform/trainer-agent/trainers/kit"
)

// InitCmd writes a new trainer package.
type InitCmd struct {
	Name     string `arg:"" help:"Name of the trainer: lower-case letters, digits and hyphens. It becomes FRAMEWORK."`
	Template string `enum:"plain,torch" default:"plain" help:"plain (NumPy and Pillow, installed in seconds) or torch (PyTorch)."`
	Dir      string `placeholder:"DIR" type:"path" help:"Folder to make; by default ./NAME."`
}

// Help is shown below the flags.
func (InitCmd) Help() string {
	return `Writes a trainer package that trains at once: the loop, a small model, options, capabilities,
prediction, export, Dockerfile, the SDK and a sample dataset. Examples:

  trainer-agent init cell-counter && cd cell-counter && make run
  trainer-agent init cell-counter --template torch

A folder that is there already is not touched.`
}

// Run writes the package and says what to do next.
func (c InitCmd) Run() error {
	dir := c.Dir
	if dir == "" {
		dir = c.Name
	}
	if err := kit.Write(filepath.Clean(dir), c.Name, c.Template); err != nil {
		return err
	}
	fmt.Printf(`%[1]s is a trainer that trains already. Next:

  cd %[1]s
  make run         # installs requirements.txt into .venv and trains on sample/, no backend needed
  make validate    # the checks that the platform makes of an uploaded package

Then replace the loop in train.py and the model in model.py; README.md says which file is what.
With a Python that has the requirements, make run is: trainer-agent try -- python train.py
`, dir)
	return nil
}
