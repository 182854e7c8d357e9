package kit

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/vision-platform/trainer-agent/contract"
)

// Using is a test run, an inference job or an export at a desk, of what an earlier try has trained.
type Using struct {
	Local
	Images string // a file or a folder; empty for a test run on the dataset
	Export string // the format; empty for the other two
	Runs   string // folder of the tries
}

// Environment is that of a Local, for the other kind of job. The results come to the
// bucket of the try that trained.
func (u Using) Environment(desk *Desk) (map[string]string, error) {
	bucket, checkpoint, err := trained(u.Runs)
	if err != nil {
		return nil, err
	}
	if u.Images != "" {
		if u.Dataset, err = u.folder(); err != nil {
			return nil, err
		}
	}
	env, err := u.Local.Environment(desk)
	if err != nil {
		return nil, err
	}
	delete(env, "EPOCHS")
	job := u.job()
	env["JOB_ID"], env["JOB_TYPE"] = job.ID, string(job.Type)
	env["CHECKPOINT_PATH"], env["AGENT_LOCAL_BUCKET_DIR"] = checkpoint, bucket
	if err := u.note(bucket, checkpoint); err != nil {
		return nil, err
	}
	if job.Export != nil {
		env["EXPORT_FORMAT"] = job.Export.Format
	} else {
		env["INFERENCE_TYPE"] = string(job.Inference.Type)
	}
	return env, nil
}

// note tells a later --resume that this run is no training. AGENT_RESUME=auto may have
// led it into the folder of one.
func (u Using) note(bucket, checkpoint string) error {
	if bucket == filepath.Join(u.Workspace, "bucket") {
		return nil
	}
	if err := os.WriteFile(filepath.Join(u.Workspace, usedModel), []byte(checkpoint+" in "+bucket+"\n"), 0o600); err != nil {
		return fmt.Errorf("noting the model: %w", err)
	}
	return nil
}

// job is what the kind and the names of the results follow from.
func (u Using) job() contract.Job {
	id := "try-" + filepath.Base(u.Workspace)
	switch {
	case u.Export != "":
		return contract.Job{ID: id, Type: contract.JobExport, Export: &contract.ExportJob{Format: u.Export}}
	case u.Images != "":
		return contract.Job{ID: id, Type: contract.JobInference, Inference: &contract.InferenceRun{Type: contract.InferenceJob}}
	}
	return contract.Job{ID: id, Type: contract.JobInference, Inference: &contract.InferenceRun{Type: contract.InferenceTestRun}}
}

// Results is where the results are.
func (u Using) Results(bucket string) string {
	return filepath.Join(bucket, filepath.FromSlash(contract.OutputPrefix(u.job())))
}

// folder is the folder of the images; of a single one it is made.
func (u Using) folder() (string, error) {
	info, err := os.Stat(u.Images)
	if err != nil || info.IsDir() {
		return u.Images, err
	}
	dir := filepath.Join(u.Workspace, "images")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the folder of the image: %w", err)
	}
	return dir, copyFile(u.Images, filepath.Join(dir, filepath.Base(u.Images)))
}

func copyFile(from, to string) error {
	in, err := os.Open(filepath.Clean(from))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(filepath.Clean(to))
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

// trained is the checkpoint of the newest try that left one, and the bucket that it is
// in: the best one, or the last one where there is no best.
func trained(runs string) (bucket, uri string, err error) {
	last, err := lastNumber(runs)
	if err != nil {
		return "", "", err
	}
	for ; last > 0; last-- {
		bucket = filepath.Join(runs, runPrefix+strconv.Itoa(last), "bucket")
		for _, name := range []string{"best*", "last*"} {
			found, _ := fs.Glob(os.DirFS(bucket), "checkpoints/job-*/"+name) // the pattern is a good one
			if len(found) == 0 {
				continue
			}
			key := slices.Min(found)
			if info, err := os.Stat(filepath.Join(bucket, key)); err == nil && info.IsDir() {
				key += "/"
			}
			return bucket, contract.URI(defaultBucket, key), nil
		}
	}
	return "", "", fmt.Errorf("no try below %s has left a checkpoint: train first, with trainer-agent try", runs)
}

// defaultBucket is BUCKET_NAME's; a local bucket has any name.
const defaultBucket = "vision-platform"
