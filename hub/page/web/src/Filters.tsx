import { task } from "./words";

export const tasks = ["object_detection", "instance_segmentation", "pose_estimation", "image_classification", "zero_shot_classification", "semantic_segmentation"];
export type Wanted = { q: string; task: string };

/** Filters narrow the catalogue as one types. */
export function Filters({ wanted, onChange }: { wanted: Wanted; onChange: (w: Wanted) => void }) {
  return (
    <form role="search" className="pair" onSubmit={(e) => e.preventDefault()}>
      <label>Search <input type="search" value={wanted.q} maxLength={200} onChange={(e) => onChange({ ...wanted, q: e.target.value })} /></label>
      <label>Task <select value={wanted.task} onChange={(e) => onChange({ ...wanted, task: e.target.value })}>
        <option value="">Every task</option>
        {tasks.map((t) => <option key={t} value={t}>{task(t)}</option>)}
      </select></label>
    </form>
  );
}
