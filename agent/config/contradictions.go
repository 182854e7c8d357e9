package config

import (
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// contradictions reports values that are right one by one and wrong together.
func (c *Config) contradictions() (problems []Problem) {
	say := func(name, value, expected string) {
		problems = append(problems, Problem{Variable: name, Value: value, Expected: expected})
	}
	for name, id := range map[string]string{"JOB_ID": c.JobID, "DATASET_ID": c.DatasetID, "SNAPSHOT_ID": c.SnapshotID} {
		if id != "" && strings.Trim(id, ".") == "" {
			say(name, id, "an id that is not only dots, because it becomes part of keys and URLs")
		}
	}
	if c.StorageType == "r2" {
		c.checkR2(say)
	}
	if c.set["AWS_ACCESS_KEY_ID"] != c.set["AWS_SECRET_ACCESS_KEY"] && c.StorageType == "s3" {
		say("AWS_SECRET_ACCESS_KEY", "", "both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither")
	}
	if c.StorageType != "local" && c.set["DATASET_PATH"] {
		say("DATASET_PATH", c.DatasetPath, "STORAGE_TYPE=local beside it, or DATASET_ID in its place")
	}
	if !c.Pretrained && c.WeightURL.Set() {
		say("PRETRAINED", "false", "true, or no PRETRAINED_WEIGHT_URL beside it")
	}
	if c.WeightURL.Set() && !fetchable(c.WeightURL.Reveal()) {
		say("PRETRAINED_WEIGHT_URL", "***", "an http or https URL (weights of the job's own bucket, under weights/, need none)")
	}
	if c.InferenceType == string(contract.InferenceJob) && len(c.ImagePaths) == 0 && c.DatasetID == "" && c.DatasetPath == "" {
		say("IMAGE_PATHS", "", "the images of the inference job, or DATASET_ID in its place")
	}
	if c.JobType == string(contract.JobExport) {
		c.checkExport(say, func(name, value, text string) {
			problems = append(problems, Problem{Variable: name, Value: value, Expected: text, Warning: true})
		})
	}
	if c.EnableLLMExplanation && !c.OpenAIKey.Set() && !c.set["OPENAI_BASE_URL"] {
		say("OPENAI_API_KEY", "", "a key, because ENABLE_LLM_EXPLANATION is true (a server of one's own, OPENAI_BASE_URL, may want none)")
	}
	if p, missing := missingGPU(c.Device, c.set["DEVICE"], os.Getenv("NVIDIA_VISIBLE_DEVICES"), gpuDevices); missing {
		problems = append(problems, p)
	}
	problems = append(problems, c.doubts()...)
	if c.RunAs != nil && !mayRunAs(*c.RunAs) {
		say("AGENT_RUN_AS", show(reflect.ValueOf(c.RunAs)), "nothing: this agent may not run a process as another user. Start it as root with the capabilities CHOWN, DAC_OVERRIDE, KILL, SETGID and SETUID, or leave it out")
	}
	if c.Nodes > 1 {
		c.checkNodes(say)
	} else if c.NodeRank > 0 {
		problems = append(problems, Problem{Variable: "NNODES", Warning: true,
			Expected: "is not set, so this machine trains alone, but its number is not 0: agents of one JOB_ID overwrite each other's checkpoints"})
	}
	return problems
}

// fetchable reports whether weights can be fetched from this address.
func fetchable(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// gpuDevices are what a GPU shows as in a container: NVIDIA's, WSL's and AMD's.
var gpuDevices = []string{"/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd"}

// missingGPU warns at once of a GPU that was asked for and is not there: by DEVICE, or
// by a device plugin, which names the GPU that it gave ("GPU-…").
func missingGPU(device string, asked bool, given string, devices []string) (Problem, bool) {
	if slices.ContainsFunc(devices, func(path string) bool { _, err := os.Stat(path); return err == nil }) {
		return Problem{}, false
	}
	const none = "this container has no GPU device (/dev/nvidiactl): ask for a GPU (nvidia.com/gpu in the pod's limits), check the node's driver and its device plugin, or set DEVICE=cpu"
	switch {
	case asked && strings.HasPrefix(device, "cuda"):
		return Problem{Variable: "DEVICE", Value: device, Warning: true, Expected: "is " + device + ", but " + none}, true
	case !asked && strings.HasPrefix(given, "GPU-"):
		return Problem{Variable: "DEVICE", Warning: true, Expected: "is not set and taken as cpu, although the pod was given a GPU (NVIDIA_VISIBLE_DEVICES): " + none}, true
	}
	return Problem{}, false
}

// checkNodes: several machines need one address, and a number each.
func (c *Config) checkNodes(say func(name, value, expected string)) {
	if c.JobType != string(contract.JobTraining) {
		say("NNODES", strconv.Itoa(c.Nodes), "1, because only training jobs run on several machines")
	}
	if c.MasterAddr == "" {
		say("MASTER_ADDR", "", "the address of node 0, because NNODES is more than 1")
	}
	if !c.set["NODE_RANK"] && !c.set["JOB_COMPLETION_INDEX"] {
		say("NODE_RANK", "", "the number of this machine, because NNODES is more than 1 (an Indexed Job sets JOB_COMPLETION_INDEX)")
	} else if c.NodeRank >= c.Nodes {
		say("NODE_RANK", strconv.Itoa(c.NodeRank), "a number below NNODES="+strconv.Itoa(c.Nodes))
	}
	if c.NodePort == c.MasterPort {
		say("AGENT_NODE_PORT", strconv.Itoa(c.NodePort), "another port than MASTER_PORT")
	}
}

// Both names of an R2 setting may be given only when they agree: neither wins.
func (c *Config) checkR2(say func(name, value, expected string)) {
	if c.R2Endpoint != "" && c.S3Endpoint != c.R2Endpoint {
		say("R2_ENDPOINT", string(c.R2Endpoint), "the same value as S3_ENDPOINT, or only one of the two")
	}
	if c.R2AccessKeyID != "" && c.AccessKeyID != c.R2AccessKeyID {
		say("R2_ACCESS_KEY_ID", c.R2AccessKeyID, "the same value as AWS_ACCESS_KEY_ID, or only one of the two")
	}
	if c.R2SecretAccessKey.Set() && c.SecretAccessKey != c.R2SecretAccessKey {
		say("R2_SECRET_ACCESS_KEY", "***", "the same value as AWS_SECRET_ACCESS_KEY, or only one of the two")
	}
	if c.S3Endpoint == "" {
		say("R2_ENDPOINT", "", "the account's R2 address, because STORAGE_TYPE=r2")
	}
	if c.AccessKeyID == "" {
		say("R2_ACCESS_KEY_ID", "", "an R2 access key, because STORAGE_TYPE=r2")
	}
	if !c.SecretAccessKey.Set() {
		say("R2_SECRET_ACCESS_KEY", "", "the secret of the R2 access key, because STORAGE_TYPE=r2")
	}
}
