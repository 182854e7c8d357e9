// Package naming knows what the name of a file or folder means: which files are
// models, and which of them frameworks call the best, the last, or that of an
// epoch. It promises names that are safe as object keys and never those that the
// layout of the bucket keeps for itself. It opens no file.
package naming

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Role is what a checkpoint means to the platform, whatever its framework calls it.
type Role int

// What a checkpoint can be.
const (
	Other  Role = iota // a checkpoint under its own name
	Best               // the best so far
	Last               // the newest
	Epoch              // the state after one epoch, 1-based
	Result             // a file of validation-results/epoch-N
)

// Identity is the place that a file or folder gets in the bucket.
type Identity struct {
	Role  Role
	Name  string // below the checkpoint prefix: "best.pt", "epoch-3"
	Epoch int    // 1-based, of Epoch and Result
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

// SplitModel cuts the extension of a model file off; ok is false for other files.
func SplitModel(base string) (stem, ext string, ok bool) {
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
	version   = lazily(`-v\d{1,4}$`) // last-v1: Lightning does not replace what it did not write
	// checkpoint-4.pth.tar (timm); without the extension it is a step of Hugging Face.
	timmEpoch    = lazily(`^checkpoint-(\d{1,6})$`)
	timmRecovery = lazily(`^recovery-\d+-\d+$`)
	resultsPath  = lazily(`(?:^|/)validation-results/epoch-(\d{1,6})/([^/]+\.json)$`)
	stepFolder   = lazily(`^checkpoint-(\d{1,12})$`)
	// folderName is the first component of names that are folders' by convention.
	folderName = lazily(`^(?:best|last|model|epoch-\d+|checkpoint-\d+)$`)
)

// Temporary reports whether a name is one that a writer renames later: dot
// files, timm's tmp.pth.tar, Hugging Face's tmp-checkpoint-N, *.tmp.
func Temporary(base string) bool {
	stem, _, _ := SplitModel(base)
	return strings.HasPrefix(base, ".") || strings.HasPrefix(base, "~") ||
		stem == "tmp" || strings.HasPrefix(base, "tmp-") ||
		strings.HasSuffix(base, ".tmp") || strings.HasSuffix(base, ".part") || strings.HasSuffix(base, "~")
}

// File says what the file at rel (relative to OUTPUT_DIR, with slashes)
// is; ok is false for an output or a temporary file.
func File(rel string) (Identity, bool) {
	base := path.Base(rel)
	if Temporary(base) {
		return Identity{}, false
	}
	if m := resultsPath().FindStringSubmatch(rel); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return Identity{Role: Result, Epoch: n, Name: Clean(m[2])}, true
		}
	}
	stem, ext, ok := SplitModel(base)
	if !ok {
		return Identity{}, false
	}
	return stemIdentity(stem, Clean(ext)), true
}

func stemIdentity(stem, ext string) Identity {
	first := version().ReplaceAllString(stem, "")
	switch {
	case bestStem().MatchString(first):
		return Identity{Role: Best, Name: "best" + ext}
	case lastStem().MatchString(first):
		return Identity{Role: Last, Name: "last" + ext}
	case timmRecovery().MatchString(stem):
		return Identity{Name: "recovery" + ext} // one key: each replaces the one before
	}
	if n, ok := epochNumber(oneBased(), first, 0); ok {
		return OfEpoch(n, ext)
	}
	if n, ok := epochNumber(zeroBased(), stem, 1); ok {
		return OfEpoch(n, ext)
	}
	if strings.EqualFold(ext, ".pth.tar") {
		if n, ok := epochNumber(timmEpoch(), stem, 1); ok {
			return OfEpoch(n, ext)
		}
	}
	return Identity{Name: reserve(Clean(stem) + ext)}
}

// Folder is stemIdentity for a folder, which has no extension.
func Folder(rel string) Identity {
	if rel == "." {
		return Identity{Name: "model"}
	}
	id := stemIdentity(path.Base(rel), "")
	if id.Name == "" {
		id.Name = "model"
	}
	return id
}

// Of reads the role from a name that this package gave.
func Of(name string) Role {
	if strings.Contains(name, "/") {
		return Other
	}
	stem, ext, _ := SplitModel(name)
	return stemIdentity(stem, ext).Role
}

// Step reports whether a folder is named as a checkpoint-STEP folder of Hugging Face's Trainer.
func Step(base string) (ok bool) { return stepFolder().MatchString(base) }

// InFolder splits the name of a file below the checkpoint prefix that lies in a
// folder by convention, such as "last/model.safetensors".
func InFolder(name string) (folder string, ok bool) {
	folder, _, deep := strings.Cut(name, "/")
	return folder, deep && folderName().MatchString(folder)
}

func epochNumber(re *regexp.Regexp, stem string, add int) (int, bool) {
	m := re.FindStringSubmatch(stem)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n + add, err == nil && n+add > 0
}

// OfEpoch is the identity of what holds the state after epoch n.
func OfEpoch(n int, ext string) Identity {
	return Identity{Role: Epoch, Epoch: n, Name: fmt.Sprintf("epoch-%d%s", n, ext)}
}

// Clean makes a path fit for an object key: no control characters, no invalid
// UTF-8, no leading slash or dots that would climb.
func Clean(rel string) string {
	rel = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar || r == '\\' {
			return '_'
		}
		return r
	}, rel)
	return strings.TrimPrefix(path.Clean("/"+rel), "/")
}

// Own is the name of a file that goes up under its own path below OUTPUT_DIR.
func Own(rel string) string { return reserve(Clean(rel)) }

// reserve gives way to what the layout of the bucket keeps below the checkpoint
// prefix: the manifest, and the folder of the outputs.
func reserve(name string) string {
	first, _, _ := strings.Cut(name, "/")
	if first == "manifest.json" || first == "outputs" {
		return "_" + name
	}
	return name
}

// Resumable reports whether training can go on from a checkpoint of this name.
func Resumable(name string) bool {
	_, ext, _ := SplitModel(path.Base(name))
	for _, e := range exportExtensions {
		if strings.EqualFold(ext, e) {
			return false
		}
	}
	return true
}
