package checkpoints

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// role is what a checkpoint means to the platform, whatever its framework calls it.
type role int

const (
	roleOther role = iota // a checkpoint under its own name
	roleBest
	roleLast
	roleEpoch  // the state after one epoch, 1-based
	roleResult // a file of validation-results/epoch-N
)

// identity is the place that a file or folder gets in the bucket.
type identity struct {
	role  role
	name  string // below the checkpoint prefix: "best.pt", "epoch-3"
	epoch int    // 1-based, of roleEpoch and roleResult
}

// modelExtensions are the suffixes by which a file counts as a checkpoint and
// goes up during training, longest first. Everything else is an output.
var modelExtensions = []string{
	".pth.tar", ".ckpt.tar", ".pt.tar",
	".safetensors", ".torchscript", ".pdparams", ".msgpack", ".mlmodel", ".tflite", ".engine", ".keras",
	".onnx", ".ckpt", ".hdf5", ".pth", ".bin", ".pt2", ".pt", ".h5",
}

// exportExtensions are models that can be run but not trained further.
var exportExtensions = []string{".torchscript", ".mlmodel", ".tflite", ".engine", ".onnx", ".pt2"}

// splitModel cuts the extension of a model file off; ok is false for other files.
func splitModel(base string) (stem, ext string, ok bool) {
	lower := strings.ToLower(base)
	for _, e := range modelExtensions {
		if strings.HasSuffix(lower, e) && len(base) > len(e) {
			return base[:len(base)-len(e)], base[len(base)-len(e):], true
		}
	}
	return base, "", false
}

// The names that frameworks give. One-based and zero-based are kept apart: the
// platform counts completed epochs.
var (
	bestStem = lazily(`(?i)^(best|(model|checkpoint|ckpt|weights)[-_]?best|best[-_]?(model|checkpoint|ckpt|weights)|best_.+_(epoch|iter)_\d+)$`)
	lastStem = lazily(`(?i)^(last|latest|(model|checkpoint|ckpt|weights)[-_]?(last|latest)|(last|latest)[-_]?(model|checkpoint|ckpt|weights))$`)
	// epoch-3 (our trainers), epoch_12 (mmengine), checkpoint_epoch_5, model_epoch10.
	oneBased = lazily(`(?i)^(?:(?:.+[-_])?epoch[-_]|(?:model|checkpoint|ckpt|weights)[-_]?epoch)(\d{1,6})$`)
	// epoch4 (Ultralytics, save_period), epoch=4-step=100 (Lightning).
	zeroBased = lazily(`^epoch(?:=0*)?(\d{1,6})(?:-[^/]*)?$`)
	// checkpoint-4.pth.tar (timm); without the extension it is a step of Hugging Face.
	timmEpoch    = lazily(`^checkpoint-(\d{1,6})$`)
	timmRecovery = lazily(`^recovery-\d+-\d+$`)
	resultsPath  = lazily(`(?:^|/)validation-results/epoch-(\d{1,6})/([^/]+\.json)$`)
)

// temporary reports whether a name is one that a writer renames later: dot
// files, timm's tmp.pth.tar, Hugging Face's tmp-checkpoint-N, *.tmp.
func temporary(base string) bool {
	stem, _, _ := splitModel(base)
	return strings.HasPrefix(base, ".") || strings.HasPrefix(base, "~") ||
		stem == "tmp" || strings.HasPrefix(base, "tmp-") ||
		strings.HasSuffix(base, ".tmp") || strings.HasSuffix(base, ".part") || strings.HasSuffix(base, "~")
}

// identifyFile says what the file at rel (relative to OUTPUT_DIR, with slashes)
// is; ok is false for an output or a temporary file.
func identifyFile(rel string) (identity, bool) {
	base := path.Base(rel)
	if temporary(base) {
		return identity{}, false
	}
	if m := resultsPath().FindStringSubmatch(rel); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return identity{role: roleResult, epoch: n, name: clean(m[2])}, true
		}
	}
	stem, ext, ok := splitModel(base)
	if !ok {
		return identity{}, false
	}
	return identifyStem(stem, clean(ext)), true
}

func identifyStem(stem, ext string) identity {
	switch {
	case bestStem().MatchString(stem):
		return identity{role: roleBest, name: "best" + ext}
	case lastStem().MatchString(stem):
		return identity{role: roleLast, name: "last" + ext}
	case timmRecovery().MatchString(stem):
		return identity{name: "recovery" + ext} // one key: each replaces the one before
	}
	if n, ok := epochNumber(oneBased(), stem, 0); ok {
		return epochIdentity(n, ext)
	}
	if n, ok := epochNumber(zeroBased(), stem, 1); ok {
		return epochIdentity(n, ext)
	}
	if strings.EqualFold(ext, ".pth.tar") {
		if n, ok := epochNumber(timmEpoch(), stem, 1); ok {
			return epochIdentity(n, ext)
		}
	}
	return identity{name: clean(stem) + ext}
}

// identifyFolder is identifyStem for a folder, which has no extension.
func identifyFolder(rel string) identity {
	if rel == "." {
		return identity{name: "model"}
	}
	id := identifyStem(path.Base(rel), "")
	if id.name == "outputs" || id.name == "" {
		id.name = "model"
	}
	return id
}

func epochNumber(re *regexp.Regexp, stem string, add int) (int, bool) {
	m := re.FindStringSubmatch(stem)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n + add, err == nil && n+add > 0
}

func epochIdentity(n int, ext string) identity {
	return identity{role: roleEpoch, epoch: n, name: fmt.Sprintf("epoch-%d%s", n, ext)}
}

// clean makes a path fit for an object key: no control characters, no invalid
// UTF-8, no leading slash or dots that would climb.
func clean(rel string) string {
	rel = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || r == '\\' {
			return '_'
		}
		return r
	}, rel)
	return strings.TrimPrefix(path.Clean("/"+rel), "/")
}

// resumable reports whether training can go on from a checkpoint of this name.
func resumable(name string) bool {
	_, ext, _ := splitModel(path.Base(name))
	for _, e := range exportExtensions {
		if strings.EqualFold(ext, e) {
			return false
		}
	}
	return true
}
