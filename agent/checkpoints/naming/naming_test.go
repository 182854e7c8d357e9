package naming

import (
	"strings"
	"testing"
)

func TestNamesOfEveryFramework(t *testing.T) {
	for rel, want := range map[string]string{
		// Ultralytics: epochN is 0-based.
		"train/weights/best.pt": "best.pt", "train/weights/last.pt": "last.pt",
		"train/weights/epoch0.pt": "epoch-1.pt", "train/weights/epoch29.pt": "epoch-30.pt",
		// timm: checkpoint-N is 0-based.
		"out/last.pth.tar": "last.pth.tar", "out/model_best.pth.tar": "best.pth.tar",
		"out/checkpoint-0.pth.tar": "epoch-1.pth.tar", "out/recovery-3-200.pth.tar": "recovery.pth.tar",
		"out/tmp.pth.tar": "",
		// Our trainers and the platform's example count from 1.
		"checkpoints/epoch-5.pth": "epoch-5.pth", "checkpoint_epoch_5.pth": "epoch-5.pth",
		"model_epoch_7.safetensors": "epoch-7.safetensors", "model-epoch12.pt": "epoch-12.pt",
		// Lightning counts from 0, mmengine from 1.
		"epoch=3-step=400.ckpt": "epoch-4.ckpt", "epoch=07-val_loss=0.31.ckpt": "epoch-8.ckpt", "last.ckpt": "last.ckpt",
		"epoch_12.pth": "epoch-12.pth", "best_coco_bbox_mAP_epoch_12.pth": "best.pth",
		// Lightning numbers what it must not replace.
		"last-v1.ckpt": "last.ckpt", "best-v12.ckpt": "best.ckpt", "epoch=3-step=400-v1.ckpt": "epoch-4.ckpt", "model-v2.pt": "model-v2.pt",
		// Everything else keeps its name.
		"yolo11n.pt": "yolo11n.pt", "best_acc.pth": "best_acc.pth", "model.onnx": "model.onnx",
		"checkpoint-500.pt": "checkpoint-500.pt", "iter_1000.pth": "iter_1000.pth", "epoch-0.pth": "epoch-0.pth",
		"Best.PT": "best.PT", "best_model.keras": "best.keras", "latest.h5": "last.h5",
		// No checkpoints.
		"results.csv": "", "args.yaml": "", ".tmpAbC12.safetensors": "", "weights/.best.pt": "", "a.pt.tmp": "", ".pt": "",
	} {
		id, ok := File(rel)
		if ok != (want != "") || id.Name != want {
			t.Errorf("%s becomes %q (a checkpoint: %v), want %q", rel, id.Name, ok, want)
		}
	}
}

func TestValidationResultsHaveAPlaceOfTheirOwn(t *testing.T) {
	for rel, want := range map[string]int{
		"validation-results/epoch-3/images.json":   3,
		"a/validation-results/epoch-3/images.json": 3,
		"validation-results/epoch-3/sub/x.json":    0,
		"validation-results/epoch-x/images.json":   0,
		"validation-results/epoch-3/plot.png":      0,
	} {
		id, ok := File(rel)
		if (ok && id.Role == Result) != (want > 0) || id.Epoch != want {
			t.Errorf("%s: %+v %v, want epoch %d", rel, id, ok, want)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	for _, s := range []string{"weights/epoch3.pt", "../../etc/passwd.pt", "a\x00b.onnx", "\\..\\x.pt", "epoch=0-.ckpt", "//.pth", "é/한글.pt"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rel string) {
		id, ok := File(rel)
		if !ok {
			return
		}
		if id.Name == "" || Clean(id.Name) != id.Name || strings.Contains("/"+id.Name+"/", "/../") {
			t.Errorf("%q becomes the name %q, which is no safe key", rel, id.Name)
		}
		if id.Role == Epoch && id.Epoch < 1 {
			t.Errorf("%q is epoch %d", rel, id.Epoch)
		}
	})
}

// The layout of the bucket keeps two names below the checkpoint prefix.
func TestNoNameIsThatOfTheManifestOrOfTheOutputs(t *testing.T) {
	for got, want := range map[string]string{
		Folder("a/manifest.json").Name: "_manifest.json", Folder("outputs").Name: "_outputs", Folder("final").Name: "final", Folder(".").Name: "model",
		Own("manifest.json/best.pt"): "_manifest.json/best.pt", Own("a/manifest.json"): "a/manifest.json", Own("../outputs/x.pt"): "_outputs/x.pt",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What reverses a line would show a name that is another one.
func TestANameHasNothingThatAPersonCannotSee(t *testing.T) {
	for given, want := range map[string]string{"\u202egnp.pt": "_gnp.pt", "a\u2066b\u2069.pt": "a_b_.pt", "esc\x1b[2J.pt": "esc_[2J.pt", "모델.pt": "모델.pt"} {
		if got := Clean(given); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
