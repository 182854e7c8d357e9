package config

import "time"

// Environment is every variable that the agent reads (contract, section 2), in
// the order of the documentation. Its tags are the reference: envconfig reads
// `envconfig` and `default`; load.go checks `need`, `min`, `max`, `options` and
// `pattern`; reference.go prints all of them.
//
// `need` names when a variable must be there: "always", or job types
// ("training,export,test_run,inference_job"), or "local". `also` names kinds of job
// that a variable serves beside the one of its group.
type Environment struct {
	// Every job
	JobID          string  `envconfig:"JOB_ID" group:"job" need:"always" pattern:"^[A-Za-z0-9._-]{1,128}$" expect:"1 to 128 letters, digits, dots, underscores or hyphens" example:"550e8400-e29b-41d4-a716-446655440000" desc:"Id of the job. It becomes part of object keys and URLs."`
	TraceID        string  `envconfig:"TRACE_ID" group:"job" pattern:"^[\\x21-\\x7e]{1,256}$" expect:"1 to 256 printable ASCII characters" example:"4bf92f3577b34da6" desc:"Sent as X-Trace-ID on every callback and written to every log line. Made of JOB_ID when absent, so that all machines and retries of a job have the same."`
	JobType        string  `envconfig:"JOB_TYPE" group:"job" options:"training,inference,export" example:"training" desc:"Kind of job. When absent: inference if INFERENCE_TYPE is set, export if EXPORT_FORMAT is set, else training."`
	BaseURL        BaseURL `envconfig:"BACKEND_BASE_URL" group:"job" need:"always" expect:"an http or https URL without user, password or query" example:"https://api.example.com" desc:"Backend that takes the callbacks. A trailing slash is dropped."`
	CallbackToken  Secret  `envconfig:"CALLBACK_TOKEN" group:"job" need:"always" example:"eyJhbGciOi..." desc:"Bearer token of the callbacks. From CALLBACK_TOKEN_FILE it is read again after a 401, so it may be rotated."`
	TaskType       string  `envconfig:"TASK_TYPE" group:"job" need:"always" options:"object_detection,instance_segmentation,pose_estimation,image_classification,zero_shot_classification,semantic_segmentation" example:"object_detection" desc:"Computer-vision task."`
	Framework      string  `envconfig:"FRAMEWORK" group:"job" pattern:"^[A-Za-z0-9._-]{1,64}$" expect:"1 to 64 letters, digits, dots, underscores or hyphens" example:"ultralytics" desc:"ultralytics, timm, huggingface or a custom trainer's name; the image sets it. It decides the dataset format."`
	TrainerName    string  `envconfig:"TRAINER_NAME" group:"job" pattern:"^[A-Za-z0-9._-]{1,64}$" expect:"1 to 64 letters, digits, dots, underscores or hyphens" example:"cell-counter" desc:"Trainer of a hub that the job trains with; its image sets it. The first event of a job tells it."`
	TrainerVersion string  `envconfig:"TRAINER_VERSION" group:"job" pattern:"^[A-Za-z0-9.-]{1,64}$" expect:"a semantic version" example:"1.0.0" desc:"Version of that trainer; its image sets it."`
	TrainerDigest  string  `envconfig:"TRAINER_DIGEST" group:"job" pattern:"^sha256:[0-9a-f]{64}$" expect:"sha256: and 64 hexadecimal digits" example:"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" desc:"Digest of the trainer's image or bundle, as trainer-agent install prints it. A hub counts only trainings that name it."`
	ModelName      string  `envconfig:"MODEL_NAME" group:"job" need:"training,export" pattern:"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$" expect:"a model's name" example:"yolo11n" desc:"Model to train or export."`
	DatasetID      string  `envconfig:"DATASET_ID" group:"job" need:"training,test_run" pattern:"^[A-Za-z0-9._-]{1,256}$" expect:"1 to 256 letters, digits, dots, underscores or hyphens" example:"dataset-7f3a" desc:"Dataset: the object datasets/{DATASET_ID}.zip, or the prefix datasets/{DATASET_ID}/ when there is no such zip. Not needed with DATASET_PATH."`
	SnapshotID     string  `envconfig:"SNAPSHOT_ID" group:"job" pattern:"^[A-Za-z0-9._-]{1,256}$" expect:"1 to 256 letters, digits, dots, underscores or hyphens" example:"snapshot-2025-01-10" desc:"Frozen dataset: datasets/{DATASET_ID}/snapshots/{SNAPSHOT_ID}.json replaces the dataset's annotations when it is there."`
	Device         string  `envconfig:"DEVICE" group:"job" example:"cuda" desc:"Device, passed on to the trainer. When absent: cuda if a GPU is visible, else cpu."`
	NumWorkers     int     `envconfig:"NUM_WORKERS" group:"job" default:"4" min:"0" max:"1024" example:"4" desc:"Data-loading processes, passed on to the trainer."`
	WorkspaceDir   string  `envconfig:"WORKSPACE_DIR" group:"job" default:"/workspace" expect:"a writable folder" example:"/workspace" desc:"Folder for everything that the job writes. It must be writable."`

	// Storage
	StorageType       string  `envconfig:"STORAGE_TYPE" group:"storage" default:"s3" options:"s3,minio,r2,local" example:"minio" desc:"Kind of object store. local reads DATASET_PATH and writes below AGENT_LOCAL_BUCKET_DIR."`
	S3Endpoint        BaseURL `envconfig:"S3_ENDPOINT" group:"storage" need:"minio" expect:"an http or https URL without user, password or query" example:"http://localhost:9000" desc:"Address of the S3 API. Absent means AWS."`
	AccessKeyID       string  `envconfig:"AWS_ACCESS_KEY_ID" group:"storage" need:"minio" example:"minioadmin" desc:"Access key. Without keys and endpoint, STORAGE_TYPE=s3 uses the SDK's default chain (IRSA, instance role)."`
	SecretAccessKey   Secret  `envconfig:"AWS_SECRET_ACCESS_KEY" group:"storage" need:"minio" example:"minioadmin" desc:"Secret of the access key."`
	SessionToken      Secret  `envconfig:"AWS_SESSION_TOKEN" group:"storage" example:"FwoGZXIvYXdzE..." desc:"Session token of temporary keys."`
	Region            string  `envconfig:"AWS_REGION" group:"storage" example:"us-east-1" desc:"Region. When absent: auto for r2, us-east-1 for an endpoint, else the SDK's default chain."`
	R2Endpoint        BaseURL `envconfig:"R2_ENDPOINT" group:"storage" expect:"an https URL without user, password or query" example:"https://ACCOUNT.r2.cloudflarestorage.com" desc:"Other name of S3_ENDPOINT for STORAGE_TYPE=r2."`
	R2AccessKeyID     string  `envconfig:"R2_ACCESS_KEY_ID" group:"storage" example:"0123456789abcdef" desc:"Other name of AWS_ACCESS_KEY_ID for STORAGE_TYPE=r2."`
	R2SecretAccessKey Secret  `envconfig:"R2_SECRET_ACCESS_KEY" group:"storage" example:"0123456789abcdef" desc:"Other name of AWS_SECRET_ACCESS_KEY for STORAGE_TYPE=r2."`
	BucketName        string  `envconfig:"BUCKET_NAME" group:"storage" default:"vision-platform" pattern:"^[a-z0-9A-Z][a-z0-9A-Z._-]{1,253}[a-z0-9A-Z]$" expect:"a bucket's name: 3 to 255 letters, digits, dots, underscores or hyphens" example:"vision-platform" desc:"Bucket of datasets, checkpoints and logs."`
	DatasetPath       string  `envconfig:"DATASET_PATH" group:"storage" need:"local" example:"/data/shapes" desc:"Folder or zip on disk in place of the object store's dataset. Only with STORAGE_TYPE=local."`

	// Training
	Epochs              int      `envconfig:"EPOCHS" group:"training" need:"training" min:"1" example:"50" desc:"Number of epochs."`
	BatchSize           int      `envconfig:"BATCH_SIZE" group:"training" also:"inference" default:"16" min:"1" example:"16" desc:"Images a step."`
	LearningRate        float64  `envconfig:"LEARNING_RATE" group:"training" min:">0" example:"0.001" desc:"Initial learning rate. When absent: by the model's family, 0.001 for detectors."`
	ImageSize           int      `envconfig:"IMAGE_SIZE" group:"training" also:"inference" min:"32" max:"16384" example:"640" desc:"Side of the training images, pixels. When absent: the model's own, 640 for detectors."`
	SplitStrategy       Strategy `envconfig:"SPLIT_STRATEGY" group:"training" also:"inference,export" expect:"a JSON object with a method of auto, use_dataset or custom" example:"{\"method\": \"auto\", \"ratio\": [0.8, 0.2], \"seed\": 42}" desc:"How images are assigned to train, val and test. When absent: the dataset's own split, else auto with 80 % and 20 %. See [datasets.md](datasets.md)."`
	WeightURL           Secret   `envconfig:"PRETRAINED_WEIGHT_URL" group:"training" example:"https://bucket.example.com/yolo11n.pt?X-Amz-Signature=..." desc:"Presigned URL of the weights to start from."`
	Pretrained          bool     `envconfig:"PRETRAINED" group:"training" default:"true" example:"false" desc:"Start from pretrained weights: those of PRETRAINED_WEIGHT_URL, else of AGENT_WEIGHTS_DIR or weights/{framework}/{model}/ in the bucket, else from scratch, which the trainer's event training_from_scratch says. false asks for scratch."`
	CheckpointFrequency int      `envconfig:"CHECKPOINT_FREQUENCY" group:"training" default:"5" min:"0" example:"5" desc:"Keep a checkpoint every N epochs; 0 keeps only best and last."`
	MaxTrainingSeconds  int      `envconfig:"MAX_TRAINING_TIME_SECONDS" group:"training" also:"inference,export" default:"86400" min:"1" max:"31536000" example:"86400" desc:"Time limit of the training process, seconds."`
	PrimaryMetric       string   `envconfig:"PRIMARY_METRIC" group:"training" example:"mAP50-95" desc:"Metric that chooses the best epoch. When absent, by task: accuracy, mAP50-95, mAP50-95(M), mAP50-95(P), mIoU."`
	PrimaryMetricMode   string   `envconfig:"PRIMARY_METRIC_MODE" group:"training" default:"max" options:"max,min" example:"max" desc:"Whether a larger or a smaller primary metric is better."`
	ConfigJSON          Object   `envconfig:"CONFIG_JSON" group:"training" also:"inference,export" expect:"a JSON object" example:"{\"mosaic\": 0.5}" desc:"Options of the framework itself. The trainer finds them under config in its own CONFIG_JSON."`

	// Inference
	InferenceType        string  `envconfig:"INFERENCE_TYPE" group:"inference" need:"inference" options:"test_run,inference_job" example:"test_run" desc:"test_run has labels and gives metrics; inference_job gives predictions only."`
	CheckpointPath       string  `envconfig:"CHECKPOINT_PATH" group:"inference" also:"export" need:"inference,export" pattern:"^s3://[^/]+/.+$" expect:"an object's address, s3://bucket/key" example:"s3://vision-platform/checkpoints/job-1/best.pt" desc:"Checkpoint to use. Also for export jobs."`
	TestSplit            string  `envconfig:"TEST_SPLIT" group:"inference" default:"val" options:"train,val,test,all" example:"val" desc:"Split that a test run uses; all takes the three together."`
	ImagePaths           List    `envconfig:"IMAGE_PATHS" group:"inference" expect:"a JSON list of s3:// addresses" example:"[\"s3://vision-platform/inference-jobs/1/input/a.jpg\"]" desc:"Images of an inference job. DATASET_ID may be given instead."`
	ConfidenceThreshold  float64 `envconfig:"CONFIDENCE_THRESHOLD" group:"inference" also:"export" default:"0.25" min:"0" max:"1" example:"0.25" desc:"Least confidence of a prediction. It is passed on only if it was set; else the trainer's own default holds."`
	IoUThreshold         float64 `envconfig:"IOU_THRESHOLD" group:"inference" also:"export" default:"0.45" min:"0" max:"1" example:"0.45" desc:"Overlap above which non-maximum suppression drops the weaker box. It is passed on only if it was set; else the trainer's own default holds (Ultralytics: 0.7)."`
	EnableXAI            bool    `envconfig:"ENABLE_XAI" group:"inference" default:"false" example:"true" desc:"Make explanations."`
	XAIMethod            string  `envconfig:"XAI_METHOD" group:"inference" default:"gradcam" options:"gradcam,lime,shap,attention" example:"gradcam" desc:"Method of explanation."`
	XAITargetLayers      List    `envconfig:"XAI_TARGET_LAYERS" group:"inference" expect:"a JSON list of layer names" example:"[\"model.22\"]" desc:"Layers to explain."`
	EnableLLMExplanation bool    `envconfig:"ENABLE_LLM_EXPLANATION" group:"inference" default:"false" example:"true" desc:"Put the explanations into words."`
	OpenAIKey            Secret  `envconfig:"OPENAI_API_KEY" group:"inference" example:"sk-..." desc:"Key for ENABLE_LLM_EXPLANATION. Only the agent has it; it asks the server for the trainer."`
	OpenAIBaseURL        BaseURL `envconfig:"OPENAI_BASE_URL" group:"inference" default:"https://api.openai.com/v1" expect:"an http or https URL without user, password or query" example:"http://llm.internal:8000/v1" desc:"Server for ENABLE_LLM_EXPLANATION: any server with OpenAI's chat completions."`
	OpenAIModel          string  `envconfig:"OPENAI_MODEL" group:"inference" default:"gpt-4o-mini" pattern:"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}$" expect:"a model's name" example:"gpt-4o-mini" desc:"Model that puts the explanations into words."`
	SaveVisualizations   bool    `envconfig:"SAVE_VISUALIZATIONS" group:"inference" default:"true" example:"true" desc:"Save images with the predictions drawn."`

	// Export
	ExportFormat          string  `envconfig:"EXPORT_FORMAT" group:"export" need:"export" options:"onnx,tensorrt,coreml,tflite,openvino,torchscript" example:"onnx" desc:"Format of the exported model."`
	InputSize             Size    `envconfig:"INPUT_SIZE" group:"export" default:"[640, 640]" expect:"a JSON list of height and width" example:"[640, 640]" desc:"Input size of the exported model, pixels. It is passed on only if it was set; else the checkpoint's own size holds."`
	OptimizationLevel     int     `envconfig:"OPTIMIZATION_LEVEL" group:"export" default:"0" min:"0" max:"3" example:"3" desc:"How long TensorRT searches for fast kernels. The other formats are always optimized."`
	IncludePreprocessing  bool    `envconfig:"INCLUDE_PREPROCESSING" group:"export" default:"true" example:"true" desc:"Put preprocessing into the model: an image of any size goes in. What a format cannot carry is in [export.md](export.md)."`
	IncludePostprocessing bool    `envconfig:"INCLUDE_POSTPROCESSING" group:"export" default:"true" example:"true" desc:"Put postprocessing into the model: boxes, masks, keypoints or probabilities come out."`
	QuantizationType      string  `envconfig:"QUANTIZATION_TYPE" group:"export" default:"none" options:"none,dynamic,static" example:"dynamic" desc:"Quantization: see the table in [export.md](export.md)."`
	QuantizationDtype     string  `envconfig:"QUANTIZATION_DTYPE" group:"export" default:"int8" options:"int8,int16,float16" example:"int8" desc:"Data type of the quantized weights."`
	EnableValidation      bool    `envconfig:"ENABLE_VALIDATION" group:"export" default:"false" example:"true" desc:"Compare the exported model with the original."`
	ValidationDatasetID   string  `envconfig:"VALIDATION_DATASET_ID" group:"export" pattern:"^[A-Za-z0-9._-]{1,256}$" expect:"1 to 256 letters, digits, dots, underscores or hyphens" example:"dataset-7f3a" desc:"Dataset for ENABLE_VALIDATION and for the calibration of QUANTIZATION_TYPE=static, which both require it, or DATASET_PATH. If it is set, the images on which each export is compared with the original come from it too."`
	AccuracyDropMax       float64 `envconfig:"ACCURACY_DROP_MAX" group:"export" default:"0.02" min:"0" max:"1" example:"0.02" desc:"Largest loss of accuracy that passes. Without ENABLE_VALIDATION nothing is measured, and this does nothing."`

	// Several machines
	Nodes           int    `envconfig:"NNODES" group:"nodes" default:"1" min:"1" max:"4096" example:"2" desc:"Machines that train this job together, each with an agent of its own."`
	NodeRank        int    `envconfig:"NODE_RANK" group:"nodes" min:"0" max:"4095" example:"0" desc:"Number of this machine, from 0. Node 0 reports and uploads for all. When absent: JOB_COMPLETION_INDEX."`
	CompletionIndex int    `envconfig:"JOB_COMPLETION_INDEX" group:"nodes" min:"0" example:"0" desc:"Set by Kubernetes in the pods of an Indexed Job."`
	MasterAddr      string `envconfig:"MASTER_ADDR" group:"nodes" pattern:"^[A-Za-z0-9.:-]{1,253}$" expect:"a host name or an IP address" example:"trainer-0.trainer" desc:"Address of node 0, as torchrun takes it. Required when NNODES is more than 1."`
	MasterPort      int    `envconfig:"MASTER_PORT" group:"nodes" default:"29500" min:"1" max:"65535" example:"29500" desc:"Port on node 0 for torchrun's rendezvous."`

	// What Kubernetes says of the pod
	NodeName string `envconfig:"NODE_NAME" group:"nodes" pattern:"^[A-Za-z0-9.-]{1,253}$" expect:"a name as Kubernetes gives it" example:"gpu-node-7" desc:"Name of the Kubernetes node, from the pod's spec.nodeName. Reports that concern the machine name it."`
	PodName  string `envconfig:"POD_NAME" group:"nodes" pattern:"^[A-Za-z0-9.-]{1,253}$" expect:"a name as Kubernetes gives it" example:"trainer-0-x7k2p" desc:"Name of the pod. The first event of a job names it."`

	// The agent's own knobs
	DatasetFormat     string        `envconfig:"AGENT_DATASET_FORMAT" group:"agent" default:"auto" options:"auto,yolo,imagefolder,coco,none" example:"yolo" desc:"Layout of the prepared dataset. auto decides by framework and task; none hands over the dataset as it is."`
	StrictDataset     bool          `envconfig:"AGENT_STRICT_DATASET" group:"agent" default:"false" example:"true" desc:"Treat warnings about the dataset (an image missing, a box dropped) as errors."`
	CacheDir          string        `envconfig:"AGENT_DATASET_CACHE_DIR" group:"agent" example:"/cache" desc:"Folder in which jobs of one machine share unpacked datasets and weights. Absent means no cache."`
	WeightsDir        string        `envconfig:"AGENT_WEIGHTS_DIR" group:"agent" example:"/opt/weights" desc:"Folder of pretrained weights in the trainer's image: {framework}/{model}/ with the weights and a card.json (file, license, source, sha256). It is searched before the bucket."`
	CacheMaxBytes     Bytes         `envconfig:"AGENT_DATASET_CACHE_MAX_BYTES" group:"agent" default:"0" expect:"a size in bytes, with or without a unit" example:"200GiB" desc:"Least recently used datasets and weights are removed above this size; 0 means no limit."`
	MaxDatasetBytes   Bytes         `envconfig:"AGENT_MAX_DATASET_BYTES" group:"agent" default:"2TiB" expect:"a size in bytes, with or without a unit" example:"200GiB" desc:"Largest unpacked dataset."`
	MaxDatasetFiles   int           `envconfig:"AGENT_MAX_DATASET_FILES" group:"agent" default:"10000000" min:"1" example:"5000000" desc:"Most files in a dataset."`
	AnnotatedOnly     bool          `envconfig:"AGENT_DATASET_ANNOTATED_ONLY" group:"agent" default:"false" example:"true" desc:"If the dataset is a prefix of objects, fetch only the images that its annotations name."`
	DownloadBandwidth Bytes         `envconfig:"AGENT_DOWNLOAD_BANDWIDTH" group:"agent" default:"0" expect:"bytes a second, with or without a unit" example:"200MiB" desc:"Limit of downloads, bytes a second; 0 means none."`
	UploadBandwidth   Bytes         `envconfig:"AGENT_UPLOAD_BANDWIDTH" group:"agent" default:"0" expect:"bytes a second, with or without a unit" example:"50MiB" desc:"Limit of uploads, bytes a second; 0 means none."`
	UploadConcurrency int           `envconfig:"AGENT_UPLOAD_CONCURRENCY" group:"agent" default:"2" min:"1" max:"16" example:"2" desc:"Checkpoints that are uploaded at the same time."`
	KeepCheckpoints   int           `envconfig:"AGENT_KEEP_CHECKPOINTS" group:"agent" default:"0" min:"0" example:"3" desc:"Keep only the newest N epoch checkpoints of this job in the bucket; 0 keeps all."`
	Resume            string        `envconfig:"AGENT_RESUME" group:"agent" default:"auto" options:"auto,off" example:"auto" desc:"auto continues from the last checkpoint of the same JOB_ID; off begins again from the start."`
	LocalBucketDir    string        `envconfig:"AGENT_LOCAL_BUCKET_DIR" group:"agent" example:"/data/bucket" desc:"Where STORAGE_TYPE=local puts what would be uploaded. When absent: $WORKSPACE_DIR/bucket."`
	PathStyle         string        `envconfig:"AGENT_S3_PATH_STYLE" group:"agent" default:"auto" options:"auto,true,false" example:"true" desc:"Address buckets by path. auto does so for every endpoint but AWS."`
	CAFile            string        `envconfig:"AGENT_CA_FILE" group:"agent" example:"/etc/ssl/platform-ca.pem" desc:"PEM file of further certificate authorities, for the backend and the store. The store trusts those of AWS_CA_BUNDLE too."`
	StopGrace         time.Duration `envconfig:"AGENT_STOP_GRACE" group:"agent" default:"25s" min:"1s" max:"1h" example:"25s" desc:"Time from SIGTERM to the agent's end: 60 % of it for the training process to stop, the rest for the last checkpoint, the log and done. Keep it below terminationGracePeriodSeconds."`
	FlushTimeout      time.Duration `envconfig:"AGENT_FLUSH_TIMEOUT" group:"agent" default:"10m" min:"1s" max:"24h" example:"10m" desc:"Longest wait at the end for uploads and callbacks."`
	LLMMaxCalls       int           `envconfig:"AGENT_LLM_MAX_CALLS" group:"agent" default:"1000" min:"0" example:"200" desc:"ENABLE_LLM_EXPLANATION: questions of one job at most."`
	LLMMaxTokens      int           `envconfig:"AGENT_LLM_MAX_TOKENS" group:"agent" default:"2000000" min:"0" example:"500000" desc:"ENABLE_LLM_EXPLANATION: tokens of one job at most, in and out."`
	LLMMaxCost        float64       `envconfig:"AGENT_LLM_MAX_COST" group:"agent" default:"5" min:"0" example:"1" desc:"ENABLE_LLM_EXPLANATION: money of one job at most, in the currency of the prices."`
	LLMInputPrice     float64       `envconfig:"AGENT_LLM_INPUT_PRICE" group:"agent" default:"0.15" min:"0" example:"0.15" desc:"ENABLE_LLM_EXPLANATION: price of a million tokens of questions."`
	LLMOutputPrice    float64       `envconfig:"AGENT_LLM_OUTPUT_PRICE" group:"agent" default:"0.6" min:"0" example:"0.6" desc:"ENABLE_LLM_EXPLANATION: price of a million tokens of answers."`
	HangTimeout       time.Duration `envconfig:"AGENT_HANG_TIMEOUT" group:"agent" default:"0s" min:"0s" example:"30m" desc:"If there is no output, callback, checkpoint, processor or GPU use for so long, the event hang_suspected is raised; 0 means never."`
	HangStop          bool          `envconfig:"AGENT_HANG_STOP" group:"agent" default:"false" example:"true" desc:"Stop a training process for which hang_suspected is raised (HUNG)."`
	HeartbeatInterval time.Duration `envconfig:"AGENT_HEARTBEAT_INTERVAL" group:"agent" default:"30s" min:"1s" max:"1h" example:"30s" desc:"How often the agent sends a heartbeat of its own when the trainer sends none."`
	NodePort          int           `envconfig:"AGENT_NODE_PORT" group:"agent" default:"29600" min:"1" max:"65535" example:"29600" desc:"Port on node 0 where the agents of a job's other machines report."`
	NodeWait          time.Duration `envconfig:"AGENT_NODE_WAIT" group:"agent" default:"15m" min:"1s" max:"168h" example:"1h" desc:"Longest wait at the start for the job's other machines."`
	NodeTimeout       time.Duration `envconfig:"AGENT_NODE_TIMEOUT" group:"agent" default:"30s" min:"1s" max:"1h" example:"1m" desc:"A machine of the job that is silent for so long is lost (NODE_LOST), and the job stops everywhere."`
	LogFormat         string        `envconfig:"AGENT_LOG_FORMAT" group:"agent" options:"json,text" example:"json" desc:"Log lines of the agent. When absent: json where the agent is the first process of a container and writes to no terminal, else text."`
	LogLevel          string        `envconfig:"AGENT_LOG_LEVEL" group:"agent" default:"info" options:"debug,info,warn,error" example:"debug" desc:"Least severe log line."`
	TensorBoard       bool          `envconfig:"AGENT_TENSORBOARD" group:"agent" default:"false" example:"true" desc:"Write the metrics of every epoch as an event file of TensorBoard too, logs/job-{id}/tensorboard/ in the bucket."`
	MetricsAddr       string        `envconfig:"AGENT_METRICS_ADDR" group:"agent" pattern:"^[^ ]*:[0-9]{1,5}$" expect:"an address host:port" example:":9464" desc:"Serve /metrics, /healthz and /readyz here. Absent means off."`
	RunAs             *Identity     `envconfig:"AGENT_RUN_AS" group:"agent" expect:"uid:gid, both as numbers" example:"1000:1000" desc:"Run the training process as this user and group, with no_new_privs. The agent must be root."`
	StateDir          string        `envconfig:"AGENT_STATE_DIR" group:"agent" example:"/var/lib/trainer-agent/job-7f3a" desc:"Folder for the agent's own state (outbox, log, result), which the training process cannot reach; another one for each workspace. When absent: $WORKSPACE_DIR/.agent."`
	RequireIsolation  bool          `envconfig:"AGENT_REQUIRE_ISOLATION" group:"agent" default:"false" example:"true" desc:"Refuse a job whose training process could read a file of credentials, reach the agent's state or stop the agent ([security.md](security.md)); by default that is a warning."`
	ChildEnvAllow     NameList      `envconfig:"AGENT_CHILD_ENV_ALLOW" group:"agent" expect:"names of variables separated by commas" example:"WANDB_API_KEY,HF_TOKEN" desc:"Variables that are passed on to the training process although they look like secrets."`
	PassCredentials   bool          `envconfig:"AGENT_PASS_CREDENTIALS" group:"agent" default:"false" example:"true" desc:"Pass the platform's credentials on to the training process. For trainers that must talk to the store themselves."`
	GPUProbe          string        `envconfig:"AGENT_GPU_PROBE" group:"agent" default:"trainer-gpu" expect:"a path, or a name in PATH" example:"/usr/local/bin/trainer-gpu" desc:"The GPU probe: a path, or a name looked for beside the agent and in PATH."`
	OnGPUError        string        `envconfig:"AGENT_ON_GPU_ERROR" group:"agent" default:"continue" options:"continue,stop" example:"stop" desc:"What to do on a GPU error that needs a reset: continue, or stop the training process, save its checkpoint and exit with 75."`
	XIDFatal          Ints          `envconfig:"AGENT_XID_FATAL" group:"agent" expect:"whole numbers separated by commas" example:"13,31" desc:"XID numbers to treat as needing a reset."`
	XIDIgnore         Ints          `envconfig:"AGENT_XID_IGNORE" group:"agent" expect:"whole numbers separated by commas" example:"43" desc:"XID numbers to ignore."`
}
