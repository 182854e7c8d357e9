package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/format"
	"github.com/vision-platform/trainer-agent/agent/dataset"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers/kit/pickles"
)

// WeightsCmd keeps the library of pretrained weights.
type WeightsCmd struct {
	Add WeightsAddCmd `cmd:"" help:"Put weights into the folder that an image brings along (AGENT_WEIGHTS_DIR)."`
}

// WeightsAddCmd puts weights into the library's folder.
type WeightsAddCmd struct {
	Model     string `arg:"" help:"MODEL_NAME of the jobs that start from them."`
	File      string `arg:"" help:"The weights: a file, or a folder of save_pretrained." type:"path"`
	Framework string `required:"" env:"FRAMEWORK" placeholder:"NAME" help:"ultralytics, timm, huggingface, or your trainer's name."`
	License   string `required:"" placeholder:"SPDX" help:"Licence of the weights, for example Apache-2.0."`
	Source    string `placeholder:"URL" help:"Where they are from."`
	Dir       string `required:"" env:"AGENT_WEIGHTS_DIR" placeholder:"DIR" type:"path" help:"Folder of the library."`
}

// Help is shown below the flags.
func (WeightsAddCmd) Help() string {
	return `Copies the weights to DIR/FRAMEWORK/MODEL/ with a card.json: file, licence, source, SHA-256. Examples:

  trainer-agent weights add resnet18 resnet18.safetensors --framework timm --license Apache-2.0 --dir /opt/weights
  trainer-agent weights add yolo11n yolo11n.pt --framework ultralytics --license AGPL-3.0-only --dir /opt/weights

In an image this is a RUN line, with ENV AGENT_WEIGHTS_DIR=/opt/weights below it. A bucket has the same below weights/:
the folder can be uploaded as it is.`
}

// whole refuses a file that no framework could load: better when an image is built than
// in each of its jobs. Of a folder, and of formats that have no end, it knows nothing.
func whole(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return nil // which the copy says better
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	named := slices.Contains([]string{".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".onnx", ".h5"}, strings.ToLower(filepath.Ext(path)))
	switch format.Inspect(file, info.Size(), filepath.Base(path)) {
	case format.Cut:
		return fmt.Errorf("%s is empty, cut short, or no file of weights: get it again", path)
	case format.Endless:
		if named && !format.OldTorch(file) {
			return fmt.Errorf("%s is not what its name says: no framework loads it", path)
		}
	}
	return nil
}

// loaders are what the trainers of these frameworks load, and the cure for what they refuse.
var loaders = map[string]struct {
	names pickles.Names
	cure  string
}{
	"ultralytics": {pickles.Ultralytics, "use weights that Ultralytics saved"},
	"timm":        {pickles.Arguments, "save model.state_dict()"},
	"huggingface": {pickles.Arguments, "save them with save_pretrained, as safetensors"},
}

// harmless refuses weights that would run code when they are loaded, as the loaders do. A
// trainer of one's own has a loader of its own, so there it is a warning. Of a folder only
// what save_pretrained calls weights is loaded.
func harmless(path, framework string) error {
	loader, known := loaders[framework]
	return filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || name != path && !strings.HasPrefix(entry.Name(), "pytorch_model") {
			return err
		}
		found := scanned(name, loader.names)
		if len(found) == 0 {
			return nil
		}
		if !known || framework == "ultralytics" && os.Getenv("ULTRALYTICS_SAFE_LOAD") == "false" { // which its loader asks too
			fmt.Fprintf(os.Stderr, "warning: %s: %s\n", name, found[0].Text)
			return nil
		}
		return fmt.Errorf("%s: %s, and the %s trainer refuses it: %s", name, found[0].Text, framework, loader.cure)
	})
}

func scanned(name string, also pickles.Names) []contract.Finding {
	file, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	return pickles.Scan(file, info.Size(), name, also)
}

// Run adds them and says where.
func (c WeightsAddCmd) Run() error {
	if err := whole(c.File); err != nil {
		return err
	}
	if err := harmless(c.File, c.Framework); err != nil {
		return err
	}
	dir, err := dataset.Library{Framework: c.Framework, Model: c.Model, Dir: c.Dir}.Add(c.File, dataset.Card{License: c.License, Source: c.Source})
	if err != nil {
		return err
	}
	fmt.Printf("The weights of %s are in %s. Jobs find them with AGENT_WEIGHTS_DIR=%s.\n", c.Model, dir, c.Dir)
	return nil
}
