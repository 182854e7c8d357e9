package job

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/internal/atomicfile"
	"github.com/vision-platform/trainer-agent/agent/internal/regular"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	// ownerFile names the job whose output is in the workspace. It lies beside the output,
	// because the agent's state may be elsewhere, in a folder for each job.
	ownerFile    = ".job"
	longestOwner = 128 // characters of a JOB_ID
)

// MakeRoom sets aside what another job has left in OUTPUT_DIR: all of that would be
// uploaded as this job's, and told as its results even if it fails. It is the person's, so
// it is not removed. aside is where it is now, "" where there was none.
func (w Workspace) MakeRoom(id string) (aside string, err error) {
	named := filepath.Join(w.Root, ownerFile)
	before, err := readOwner(named)
	if err != nil {
		return "", w.Unwritable(err)
	}
	if before != "" && before != id && filled(w.Output()) {
		aside = w.Output() + "-of-" + before
		for ; exists(aside); aside += "+" {
		}
		if info, err := os.Lstat(w.Output()); err != nil || !info.IsDir() || os.Rename(w.Output(), aside) != nil { // a link, or a volume
			return "", contract.Failf(contract.CodeConfigInvalid, "%s holds what the job %s has left.", w.Output(), before).
				WithHint("Give each job a WORKSPACE_DIR of its own, or empty that folder.")
		}
		if err := os.MkdirAll(w.Checkpoints(), 0o755); err != nil {
			return "", w.Unwritable(err)
		}
	}
	if before == id {
		return "", nil
	}
	if err := atomicfile.Write(named, []byte(id+"\n"), 0o644); err != nil {
		return aside, w.Unwritable(err)
	}
	return aside, nil
}

// readOwner is the job that a file names, "" where there is none.
func readOwner(path string) (string, error) {
	file, err := regular.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	body, err := io.ReadAll(io.LimitReader(file, longestOwner))
	name := strings.TrimSpace(string(body))
	if strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune("-._", r) && !letterOrDigit(r) }) {
		name = "another-job" // not as an agent wrote it
	}
	return name, err
}

func letterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// filled: a folder holds more than empty folders.
func filled(dir string) bool {
	found := errors.New("found")
	return filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return found
		}
		return nil
	}) != nil
}
