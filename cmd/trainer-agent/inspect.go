package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/vision-platform/trainer-agent/trainers/exported"
)

// InspectCmd says what an exported model is.
type InspectCmd struct {
	Path     string `arg:"" type:"path" placeholder:"MODEL|PACKAGE" help:"A model's file, package.zip, or a package's folder."`
	JSON     bool   `name:"json" help:"Print one JSON object."`
	Selftest bool   `help:"Run the package's Python wrapper on its golden image."`
	Python   string `default:"python3" help:"Interpreter that has the packages of runtimes/python/requirements.txt."`
}

// Help is shown below the flags.
func (InspectCmd) Help() string {
	return `Prints what a model is, its inputs and outputs, its classes, how far it differs from the trained model, and where it
is from. Reads the metadata inside of .onnx, .torchscript, .tflite and OpenVINO's .xml, else metadata.json. Examples:

  trainer-agent inspect package.zip
  trainer-agent inspect model.onnx --json
  trainer-agent inspect package.zip --selftest --python .venv/bin/python

Exits with 1 where the model is not the one that the metadata describe, where metadata.json says otherwise than the model
itself, or the selftest fails. The selftest runs code of the package: take one from a stranger into a container first.`
}

// Run inspects.
func (c InspectCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	found, err := exported.Inspect(c.Path)
	if err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(found); err != nil {
			return err
		}
	} else {
		found.Print(os.Stdout)
	}
	if err := found.Fault(); err != nil {
		return err
	}
	if !c.Selftest {
		return nil
	}
	folder, err := unpackInto("selftest")
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	return exported.Selftest(ctx, exported.Wrapper{Path: c.Path, Python: interpreter(c.Python), Scratch: folder.Dir, Out: c.selftestOutput()})
}

// selftestOutput leaves standard output to the JSON object.
func (c InspectCmd) selftestOutput() io.Writer {
	if c.JSON {
		return os.Stderr
	}
	return os.Stdout
}
