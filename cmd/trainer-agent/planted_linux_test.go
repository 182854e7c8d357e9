package main_test

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/contract"
)

// planter is a training that leaves one kind of thing under each name that the agent
// knows, in OUTPUT_DIR and in CHECKPOINT_DIR, and one checkpoint that is whole.
const planter = `
import os, pathlib, socket, stat, sys
kind, names = sys.argv[1], sys.argv[2:]
def plant(path):
    if kind == "folder":
        path.mkdir()
        (path / "within.txt").write_text("x")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(path.name)
    elif kind == "device":
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
        except PermissionError:
            pass  # only root may, and only without Landlock
    elif kind == "unreadable":
        path.write_text("x")
        path.chmod(0)
    else:
        path.symlink_to(kind)
for folder in map(pathlib.Path, (os.environ["OUTPUT_DIR"], os.environ["CHECKPOINT_DIR"])):
    os.chdir(folder)
    for name in names:
        if not (folder / name).exists():
            plant(folder / name)
(folder / "whole").mkdir()
(folder / "whole" / "any.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
print("planted")
`

// known are the names below OUTPUT_DIR that mean something to the agent.
var known = []string{
	"manifest.json", "outputs", "results.csv", "trainer_state.json", "config.json", "adapter_config.json", "saved_model.pb", "model.safetensors",
	"model.safetensors.index.json", "best.pt", "last.pt", "last", "best", "epoch-3.pt", "checkpoint-5", "results.json", "metadata.json",
	"package.zip", "model.onnx", "visualizations", "xai", "events.out.tfevents.1.x", "real.ckpt.tmp",
}

func TestAFolderNamedManifestJSONAndEveryOtherNameThatIsNoFile(t *testing.T) {
	for _, kind := range []string{"folder", "pipe", "socket", "device", "unreadable", "/etc/passwd", "/dev/zero", "nowhere", "manifest.json", "."} {
		t.Run(strings.ReplaceAll(kind, "/", "_"), func(t *testing.T) {
			t.Parallel()
			names, checkpoint := known, "/any.safetensors"
			if kind == "unreadable" { // root reads it all the same; an index of a model is told as one that is not whole
				checkpoint = ""
				names = slices.DeleteFunc(slices.Clone(known), func(name string) bool { return strings.HasPrefix(name, "model.") || name == "saved_model.pb" })
			}
			j := newJob(t, "")
			j.command = append([]string{"python3", "-c", planter, kind}, names...)
			j.mustExit(0)
			if !strings.Contains(j.stdout.String(), "planted") {
				t.Fatal("nothing was tried")
			}
			if d := j.done(); d.Status != contract.StatusSucceeded || d.CheckpointPath == nil || !strings.HasSuffix(*d.CheckpointPath, checkpoint) {
				t.Errorf("%+v, the checkpoint is %v", d, d.CheckpointPath)
			}
			var m contract.Manifest
			if err := json.Unmarshal(j.object(contract.ManifestKey(j.id)), &m); err != nil || m.JobID != j.id {
				t.Errorf("the manifest is not the agent's: %v, %+v", err, m)
			}
			for _, name := range j.objects(contract.CheckpointPrefix(j.id)) {
				if base := filepath.Base(name); kind != "folder" && kind != "unreadable" && slices.Contains(known, base) && base != "manifest.json" {
					t.Errorf("uploaded %s", name)
				}
			}
		})
	}
}

// replacer is a training that calls nobody and puts a pipe in the place of its table of
// epochs, once the agent has read that.
const replacer = `
import ctypes, os, pathlib
output = pathlib.Path(os.environ["OUTPUT_DIR"])
table = output / "results.csv"
table.write_text("epoch,time,train/box_loss\n1,1.0,0.5\n")
libc = ctypes.CDLL(None)
read = libc.inotify_init()
libc.inotify_add_watch(read, bytes(table), 0x10)  # IN_CLOSE_NOWRITE
os.read(read, 4096)
os.mkfifo(output / "pipe")
(output / "pipe").rename(table)
pathlib.Path(os.environ["CHECKPOINT_DIR"], "last.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
print("replaced")
`

func TestAPipeInThePlaceOfAResultFileHoldsNothing(t *testing.T) {
	t.Parallel()
	j := newJob(t, "")
	j.command = []string{"python3", "-c", replacer}
	j.mustExit(0)
	if !strings.Contains(j.stdout.String(), "replaced") {
		t.Fatal("nothing was tried")
	}
	if epochs := j.epochsHeard(); !slices.Equal(epochs, []int{1}) {
		t.Errorf("heard of the epochs %v", epochs)
	}
	for _, warning := range j.result().Warnings {
		if strings.Contains(warning, "the result files") {
			t.Errorf("they did not end in their time: %s", warning)
		}
	}
}

// plants are ways to take a name.
var plants = map[string]func(path string) error{
	"folder": func(path string) error {
		return errors.Join(os.Mkdir(path, 0o755), os.WriteFile(filepath.Join(path, "within"), nil, 0o644))
	},
	"file":          func(path string) error { return os.WriteFile(path, []byte("x"), 0o644) },
	"pipe":          func(path string) error { return unix.Mkfifo(path, 0o644) },
	"link":          func(path string) error { return os.Symlink("/dev/zero", path) },
	"dangling link": func(path string) error { return os.Symlink("nowhere", path) },
	"socket": func(path string) error {
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err == nil {
			listener.SetUnlinkOnClose(false)
			err = listener.Close()
		}
		return err
	},
}

var (
	folders      = []string{"runs", "runs/checkpoints", "home", "dataset", "prepared", "weights", "inputs", "lists", ".agent"}
	stateFolders = []string{".agent/outbox", ".agent/scratch", ".agent/tensorboard"}
	stateFiles   = []string{".agent/lock", ".agent/life.json", ".agent/reported.json", ".agent/result.json", ".agent/training.log", ".agent/training.log.tail0"}
)

// taking is a job in whose workspace the names are taken.
func taking(t *testing.T, kind string, names ...string) *job {
	t.Helper()
	j := newJob(t, "ok")
	dir, err := os.MkdirTemp("", "w") // the address of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	j.workspace = dir
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), plants[kind](path)); err != nil {
			t.Fatal(err)
		}
	}
	return j.with("WORKSPACE_DIR", dir)
}

// What lies in the workspace before the agent starts may be another run's, or a person's mistake.
func TestAWorkspaceWhoseNamesAreTakenIsRefusedByThePath(t *testing.T) {
	for kind, refused := range map[string][]string{"folder": stateFiles, "file": slices.Concat(folders, stateFolders), "pipe": {"runs", "weights"}, "dangling link": {"dataset", "home"}} {
		for _, name := range refused {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				j := taking(t, kind, name).mustExit(1)
				path := filepath.Join(j.workspace, name)
				if e := j.done().Error; e == nil || e.Code != contract.CodeConfigInvalid || !strings.Contains(e.Message, path+" is not the") || !strings.Contains(e.Hint, "Remove it") {
					t.Errorf("%+v", e)
				}
				if _, err := os.Lstat(path); err != nil {
					t.Error(err) // a person's file is not removed
				}
			})
		}
	}
}

func TestPipesLinksAndSocketsInTheAgentsOwnFolderAreNoObstacle(t *testing.T) {
	for kind := range plants {
		names := slices.Concat(stateFiles, stateFolders)
		switch kind {
		case "folder":
			names = slices.Concat(stateFolders, []string{"runs", "dataset", "weights", "inputs", "home", "lists"})
		case "file":
			names = stateFiles
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			if d := taking(t, kind, names...).mustExit(0).done(); d.Status != contract.StatusSucceeded {
				t.Errorf("%+v", d)
			}
		})
	}
}
