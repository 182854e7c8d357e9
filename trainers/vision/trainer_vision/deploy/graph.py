"""The one graph of every format: an image goes in, what was found in it comes out. Needs torch, and no framework.

All shapes but the image's are fixed, and only operators are used that every converter knows: suppression is a fixed point
of matrix products, not an NMS operator (docs/decisions/0110).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .subject import CLASSIFY, LETTERBOX, OBB, OBJECTS, POSE, SEGMENT, SEMANTIC, SHORTEST_CROP, Objects, Preprocess, Subject

ROUNDS = 8  # a chain of suppressions longer than this was never seen; three are not enough
CANDIDATES = 3  # boxes that enter suppression, for each one that may leave it
NUDGE = 1e-4  # halves are rounded up, as Pillow and OpenCV do, also where the sum is a last digit short of one


def rounded(pixels: torch.Tensor) -> torch.Tensor:
    return torch.floor(pixels + (0.5 + NUDGE)).clamp(0, 255)


def sides(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Height and width of (h, w, 3) as numbers in the graph: counted, because not every converter follows a free shape."""
    return torch.ones_like(image[:, 0, 0]).sum(), torch.ones_like(image[0, :, 0]).sum()


class Letterbox(nn.Module):
    """(h, w, 3) of any size → (1, 3, H, W) of 0 to 255, shape kept, padded in grey; and where the picture lies in it."""

    def __init__(self, how: Preprocess) -> None:
        super().__init__()
        self.height, self.width, self.grey = how.height, how.width, float(how.pad_value)
        self.register_buffer("rows", torch.arange(how.height).float(), persistent=False)
        self.register_buffer("columns", torch.arange(how.width).float(), persistent=False)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        x = image.float()
        high, wide = sides(x)
        narrow = (self.width * high < self.height * wide).float()  # the width decides
        new_high = torch.round(narrow * (high * self.width / wide) + (1 - narrow) * self.height).clamp(min=1)
        new_wide = torch.round(narrow * self.width + (1 - narrow) * (wide * self.height / high)).clamp(min=1)
        top, left = torch.round((self.height - new_high) / 2 - 0.1), torch.round((self.width - new_wide) / 2 - 0.1)
        y0, y1, dy, inside_y = taps(self.rows, high, new_high, top)
        x0, x1, dx, inside_x = taps(self.columns, wide, new_wide, left)
        lines = x.index_select(0, y0) * (1 - dy)[:, None, None] + x.index_select(0, y1) * dy[:, None, None]
        picture = lines.index_select(1, x0) * (1 - dx)[None, :, None] + lines.index_select(1, x1) * dx[None, :, None]
        inside = (inside_y[:, None] * inside_x[None, :])[:, :, None]
        boxed = rounded(picture) * inside + self.grey * (1 - inside)
        scale = torch.stack([new_wide / wide, new_high / high])
        return boxed.permute(2, 0, 1).unsqueeze(0), scale, torch.stack([left, top]), torch.stack([wide, high])


def taps(places: torch.Tensor, full: torch.Tensor, new: torch.Tensor, offset: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Which two pixels an output pixel is mixed of, how much of the second, and whether it is picture at all."""
    at = places - offset
    source = ((at + 0.5) * full / new - 0.5).clamp(min=0)
    source = torch.minimum(source, full - 1)
    low = torch.floor(source)
    return low.long(), torch.minimum(low + 1, full - 1).long(), source - low, ((at >= 0) & (at < new)).float()


class Resample(nn.Module):
    """(h, w, 3) of any size → (1, 3, H, W) of 0 to 255, as Pillow resizes: across, then down, rounded after each.

    Every output pixel weighs all pixels of its line, of which most have no weight: a number of taps that follows the
    image's size is what converters cannot express.
    """

    def __init__(self, how: Preprocess) -> None:
        super().__init__()
        self.how = how
        self.register_buffer("rows", torch.arange(how.height).float(), persistent=False)
        self.register_buffer("columns", torch.arange(how.width).float(), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = image.float()
        high, wide = sides(x)
        new_high, new_wide = self.resized(high, wide)
        across = self.weights(x[0, :, 0], wide, new_wide, self.columns)
        down = self.weights(x[:, 0, 0], high, new_high, self.rows)
        lines = rounded(torch.matmul(across, x))  # (W, w) on (h, w, 3)
        picture = rounded(torch.matmul(down, lines.permute(2, 0, 1)))  # (H, h) on (3, h, W)
        return picture.unsqueeze(0)

    def resized(self, high: torch.Tensor, wide: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.how.mode != SHORTEST_CROP:
            return torch.full_like(high, float(self.how.height)), torch.full_like(wide, float(self.how.width))
        short = float(self.how.shortest or min(self.how.height, self.how.width))
        tall = (high >= wide).float()
        longer = torch.floor(short * torch.maximum(high, wide) / torch.minimum(high, wide) + NUDGE)
        return tall * longer + (1 - tall) * short, tall * short + (1 - tall) * longer

    def weights(self, line: torch.Tensor, full: torch.Tensor, new: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """(output pixels, pixels of the line); of a crop, only for the pixels that are left."""
        crop = torch.round((new - float(len(places))) / 2) if self.how.mode == SHORTEST_CROP else torch.zeros_like(new)
        pixels = torch.cumsum(torch.ones_like(line), 0) - 0.5
        centres = (places + crop + 0.5) * (full / new)
        spread = (full / new).clamp(min=1.0)
        heights = kernel((pixels[None, :] - centres[:, None]) / spread, self.how.kernel)
        return heights / heights.sum(1, keepdim=True)


def kernel(distance: torch.Tensor, name: str) -> torch.Tensor:
    d = distance.abs()
    if name == "bilinear":
        return (1 - d).clamp(min=0)
    near = ((1.5 * d - 2.5) * d * d + 1) * (d < 1).float()
    far = (((-0.5 * d + 2.5) * d - 4) * d + 2) * ((d >= 1) & (d < 2)).float()
    return near + far


class Normalize(nn.Module):
    """Pixels of 0 to 255 → the model's input."""

    def __init__(self, how: Preprocess) -> None:
        super().__init__()
        self.register_buffer("low", 255 * torch.tensor(list(how.mean)).view(1, 3, 1, 1))
        self.register_buffer("gain", 1 / (255 * torch.tensor(list(how.std))).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return (pixels - self.low) * self.gain


class Suppress(nn.Module):
    """A detector's raw answer → boxes (b, n, 4) in input pixels, scores, classes, and what rides along; rows of score 0 are padding.

    Cluster-NMS: who is suppressed by one that is itself suppressed comes back in the next round, until nothing changes;
    that is greedy suppression, class by class.
    """

    def __init__(self, classes: int, how: Objects) -> None:
        super().__init__()
        self.classes, self.how = classes, how

    def forward(self, raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        if self.how.end_to_end:
            score, found = raw[:, :, 4], raw[:, :, 5]
            return raw[:, :, :4], score * (score > self.how.confidence).float(), found, raw[:, :, 6:]
        rows = raw.transpose(1, 2)
        best, index = self.surest(rows[:, :, 4 : 4 + self.classes])
        score, at = best.topk(min(CANDIDATES * self.how.most, best.shape[1]), dim=1)
        chosen = torch.gather(rows, 1, at.unsqueeze(2).expand(-1, -1, rows.shape[2]))
        found = torch.gather(index, 1, at)
        centre, half = chosen[:, :, :2], chosen[:, :, 2:4] / 2
        boxes = torch.cat([centre - half, centre + half], 2)
        score = score * self.kept(boxes, score, found)
        score, order = score.topk(min(self.how.most, score.shape[1]), dim=1)
        every = torch.cat([boxes, found.unsqueeze(2), chosen[:, :, 4 + self.classes :]], 2)
        every = torch.gather(every, 1, order.unsqueeze(2).expand(-1, -1, every.shape[2]))
        return every[:, :, :4], score, every[:, :, 4], every[:, :, 5:]

    def surest(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The best score of each row, and its class. tflite's converter cannot look for the best of one."""
        if self.classes == 1:
            return scores[:, :, 0], torch.zeros_like(scores[:, :, 0])
        best, index = scores.max(2)
        return best, index.float()

    def kept(self, boxes: torch.Tensor, score: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        valid = (score > self.how.confidence).float()
        place = torch.cumsum(torch.ones_like(score), 1)
        earlier = (place.unsqueeze(2) < place.unsqueeze(1)).float()
        same = (found.unsqueeze(2) == found.unsqueeze(1)).float()
        over = (overlap(boxes) > self.how.iou).float() * same * earlier * valid.unsqueeze(2)  # row i would suppress column j
        keep = valid
        for _ in range(ROUNDS):
            keep = valid * (torch.matmul(keep.unsqueeze(1), over).squeeze(1) < 0.5).float()
        return keep


def overlap(boxes: torch.Tensor) -> torch.Tensor:
    """IoU of every box with every other, (b, n, n)."""
    x1, y1, x2, y2 = boxes.unbind(2)
    area = (x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)
    wide = torch.minimum(x2.unsqueeze(2), x2.unsqueeze(1)) - torch.maximum(x1.unsqueeze(2), x1.unsqueeze(1))
    high = torch.minimum(y2.unsqueeze(2), y2.unsqueeze(1)) - torch.maximum(y1.unsqueeze(2), y1.unsqueeze(1))
    both = wide.clamp(min=0) * high.clamp(min=0)
    return both / (area.unsqueeze(2) + area.unsqueeze(1) - both + 1e-7)


class Graph(nn.Module):
    """The model with as much of its preprocessing and postprocessing as was asked for.

    `whole` takes one image (h, w, 3) of any size and answers without a batch, boxes in its pixels. Otherwise a batch
    (b, 3, h, w) of prepared images goes in, or with `pixels` (b, h, w, 3) of 0 to 255 in the model's size, and boxes are
    in pixels of the input.
    """

    def __init__(self, subject: Subject, whole: bool, pixels: bool, post: bool) -> None:
        super().__init__()
        how = subject.preprocess
        self.model, self.head, self.whole, self.pixels, self.finishes = subject.model, subject.head, whole, pixels, post
        self.normalize = Normalize(how)
        self.resize = (Letterbox(how) if how.mode == LETTERBOX else Resample(how)) if whole else None
        self.post = Suppress(len(subject.names), subject.objects) if subject.objects and post and subject.head in OBJECTS else None
        self.keypoints = subject.objects.keypoints if subject.objects else None

    @property
    def outputs(self) -> list[str]:
        if self.post is None:
            named = {CLASSIFY: "probabilities" if self.finishes else "logits", SEMANTIC: "probabilities" if self.finishes else "logits"}
            return [named.get(self.head, "raw"), *(["mask_prototypes"] if self.head == SEGMENT else [])]
        more = {SEGMENT: ["mask_coefficients", "mask_prototypes"], POSE: ["keypoints"]}
        return ["boxes", "scores", "classes", *more.get(self.head, [])]

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        place = None
        if self.resize is not None:
            made = self.resize(image)
            x, place = (made[0], made[1:]) if isinstance(made, tuple) else (made, None)
            x = self.normalize(x)
        elif self.pixels:
            x = self.normalize(image.permute(0, 3, 1, 2).float())
        else:
            x = image
        answers = self.model(x)
        answers = tuple(answers) if isinstance(answers, list | tuple) else (answers,)
        finished = self.finish(answers, place)
        return tuple(one.squeeze(0) for one in finished) if self.whole else finished

    def finish(self, answers: Sequence[torch.Tensor], place: Sequence[torch.Tensor] | None) -> tuple[torch.Tensor, ...]:
        if self.post is None:
            if self.head in (CLASSIFY, SEMANTIC):
                return (answers[0].softmax(1) if self.finishes else answers[0],)
            return tuple(answers[: 2 if self.head == SEGMENT else 1])
        boxes, scores, classes, extra = self.post(answers[0])
        points = self.points(extra) if self.head == POSE else None
        if place is not None:
            boxes, points = back(boxes, points, *place)
        real = (scores > 0).float().unsqueeze(2)
        found: tuple[torch.Tensor, ...] = (boxes * real, scores, classes.long())
        if self.head == SEGMENT:
            return (*found, extra, answers[1])
        return found if points is None else (*found, points * real.unsqueeze(3))

    def points(self, extra: torch.Tensor) -> torch.Tensor:
        """(b, n, k, 3); a model whose points have no confidence is sure of them."""
        count, values = self.keypoints or (0, 3)
        found = extra.reshape(extra.shape[0], extra.shape[1], count, values)
        return found if values == 3 else torch.cat([found, torch.ones_like(found[:, :, :, :1])], 3)


def back(boxes: torch.Tensor, points: torch.Tensor | None, scale: torch.Tensor, offset: torch.Tensor, size: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """From pixels of the letterbox to those of the image, within its borders."""
    corners = torch.minimum(((boxes - torch.cat([offset, offset])) / torch.cat([scale, scale])).clamp(min=0), torch.cat([size, size]))
    if points is None:
        return corners, None
    placed = torch.minimum(((points[:, :, :, :2] - offset) / scale).clamp(min=0), size)
    return corners, torch.cat([placed, points[:, :, :, 2:]], 3)


def refusal(head: str, post: bool) -> str | None:
    """Why a model cannot be exported with its postprocessing, if so."""
    if head == OBB and post:
        return "rotated boxes are exported as the model answers them, without suppression: set INCLUDE_POSTPROCESSING=false"
    return None
