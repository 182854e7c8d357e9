package scan

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/internal/pyjson"
)

// trainerStateName is written last into a Hugging Face checkpoint folder, so
// its presence says that the rest is there (transformers, Trainer._save_checkpoint).
const trainerStateName = "trainer_state.json"

// TrainerState is the part of trainer_state.json that says what a folder holds.
type TrainerState struct {
	Epoch    float64 `json:"epoch"` // completed, fractional in the middle of one
	Step     int64   `json:"global_step"`
	BestStep int64   `json:"best_global_step"`
	BestDir  string  `json:"best_model_checkpoint"`
}

// CompletedEpoch is the epoch that a folder closes, or 0 in the middle of one.
// Trainer's last step of an epoch may count as 0.99… when batches are dropped.
func (t *TrainerState) CompletedEpoch() int {
	n := math.Round(t.Epoch)
	if math.IsNaN(n) || n < 1 || n > 1e6 || math.Abs(t.Epoch-n) > 0.02 {
		return 0
	}
	return int(n)
}

// MidEpoch reports whether the folder was saved by steps, between two epochs.
func (t *TrainerState) MidEpoch() bool { return t != nil && t.CompletedEpoch() == 0 }

// StepNumber orders folders of one epoch.
func (t *TrainerState) StepNumber() int64 {
	if t == nil {
		return 0
	}
	return t.Step
}

// NamesBest reports whether the Trainer knows by which metric to choose.
func (t *TrainerState) NamesBest() bool { return t != nil && (t.BestStep > 0 || t.BestDir != "") }

// IsBest reports whether the state names the checkpoint of this step as best.
func (t *TrainerState) IsBest(step int64) bool {
	return t.BestStep == step && step > 0 || path.Base(filepath.ToSlash(t.BestDir)) == fmt.Sprintf("checkpoint-%d", step)
}

// folderMark reports whether a file makes its directory a model folder.
func folderMark(name string) bool {
	switch name {
	case trainerStateName, "config.json", "adapter_config.json", "saved_model.pb":
		return true
	}
	return strings.HasSuffix(name, ".index.json")
}

// takeFolder takes dir as one checkpoint when it is one. It returns true when
// nothing in it is to be looked at as a file of its own.
func (s *scanner) takeFolder(dir string, l listing, depth int) bool {
	base := path.Base(dir)
	switch {
	case naming.Step(base):
		if slices.Contains(l.marks, trainerStateName) {
			s.takeStep(dir)
			return true
		}
		// Without it: still being written, or the work of some other script.
		return !s.final && (len(l.marks) > 0 || slices.ContainsFunc(l.models, huggingFaceWeights))
	case slices.Contains(l.marks, "saved_model.pb"), strings.HasSuffix(base, ".mlpackage"),
		strings.HasSuffix(base, "_openvino_model"):
		s.addFolder(dir, naming.Folder(dir), s.tree(dir), nil)
		return true
	case slices.ContainsFunc(l.models, huggingFaceWeights) && len(l.marks) > 0:
		s.takeModelFolder(dir)
		s.walkBeside(dir, l, depth)
		return true
	}
	return false
}

// huggingFaceWeights are the weights that save_pretrained writes beside config.json.
func huggingFaceWeights(name string) bool {
	for _, prefix := range []string{"model", "pytorch_model", "adapter_model", "diffusion_pytorch_model"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "-")) {
			return strings.HasSuffix(name, ".safetensors") || strings.HasSuffix(name, ".bin")
		}
	}
	return false
}

// takeStep takes a checkpoint-STEP folder of Hugging Face's Trainer.
func (s *scanner) takeStep(dir string) {
	state, err := s.readState(path.Join(dir, trainerStateName))
	if err != nil {
		return // half written: the next look sees it
	}
	id := naming.Identity{Role: naming.Epoch, Name: path.Base(dir), Epoch: int(min(1e6, math.Ceil(state.Epoch)))}
	if n := state.CompletedEpoch(); n > 0 {
		id = naming.OfEpoch(n, "")
	}
	s.addFolder(dir, id, s.tree(dir), &state)
}

// takeModelFolder takes the files that lie directly in a save_pretrained folder.
// A sharded model waits until every shard that its index names is there.
func (s *scanner) takeModelFolder(dir string) {
	entries, err := s.entries(dir)
	if err != nil {
		return
	}
	var files []string
	for _, e := range entries {
		if companion(e) {
			files = append(files, path.Join(dir, e))
		}
	}
	for _, e := range entries {
		if strings.HasSuffix(e, ".index.json") && !s.shardsPresent(dir, e, entries) {
			return
		}
	}
	s.addFolder(dir, naming.Folder(dir), files, nil)
}

// companion reports whether a file belongs to a saved model: weights, settings
// and vocabularies, but not logs, plots or tables.
func companion(name string) bool {
	if naming.Temporary(name) {
		return false
	}
	if huggingFaceWeights(name) {
		return true
	}
	switch path.Ext(name) {
	case ".json", ".txt", ".model", ".jinja":
		return !strings.HasSuffix(name, "_results.json") && name != trainerStateName
	}
	return name == "training_args.bin"
}

// walkBeside goes on with what a model folder holds beside the model.
func (s *scanner) walkBeside(dir string, l listing, depth int) {
	for _, name := range l.models {
		if !companion(name) {
			s.takeFile(path.Join(dir, name))
		}
	}
	for _, name := range l.dirs {
		s.walk(path.Join(dir, name), depth+1)
	}
}

func (s *scanner) entries(dir string) ([]string, error) {
	d, err := openFolder(s.root, dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	all, err := d.ReadDir(maxFolderFiles)
	names := make([]string, 0, len(all))
	for _, e := range all {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, err
}

// tree lists every regular file below dir.
func (s *scanner) tree(dir string) []string {
	var files []string
	_ = fs.WalkDir(FS(s.root), dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // vanished: not part of the folder any more
		case len(files) >= maxFolderFiles:
			s.view.Partial = true
			return fs.SkipAll
		case !d.IsDir() && !naming.Temporary(d.Name()):
			files = append(files, p)
		case d.IsDir():
			s.view.Dirs = append(s.view.Dirs, p)
		}
		return nil
	})
	return files
}

func (s *scanner) addFolder(dir string, id naming.Identity, files []string, state *TrainerState) {
	src := Source{Identity: id, Rel: dir, Folder: true, State: state}
	for _, rel := range files {
		v, ok := s.stat(rel)
		if !ok {
			continue
		}
		sub := naming.Clean(strings.TrimPrefix(strings.TrimPrefix(rel, dir), "/"))
		src.Files = append(src.Files, File{Rel: rel, Sub: sub, Version: v})
		src.Size += v.Size
	}
	if len(src.Files) > 0 {
		s.view.Sources = append(s.view.Sources, src)
	}
}

func (s *scanner) readState(rel string) (TrainerState, error) {
	var state TrainerState
	return state, s.readJSON(rel, &state)
}

func (s *scanner) shardsPresent(dir, index string, entries []string) bool {
	var content struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if s.readJSON(path.Join(dir, index), &content) != nil {
		return false
	}
	for _, shard := range content.WeightMap {
		if !slices.Contains(entries, shard) {
			return false
		}
	}
	return true
}

// readJSON reads a file of the child: bounded, and only a regular one.
func (s *scanner) readJSON(rel string, into any) error {
	const limit = 32 << 20 // trainer_state.json holds the log of a whole training
	f, err := Open(s.root, rel)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return err
	}
	return pyjson.Unmarshal(data, into)
}
