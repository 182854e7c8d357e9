import { Component, ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { About, Me, Notification, Problem, ask, askList, asProblem, notifications, onSessionEnd } from "./api";
import { Appeals } from "./Appeals";
import { Audit } from "./Audit";
import { Catalogue } from "./Catalogue";
import { whenSeen } from "./follow";
import { Notifications } from "./Notifications";
import { Link, Place, usePlace } from "./place";
import { Said, Theirs } from "./parts";
import { Submissions } from "./Submissions";
import { Tokens } from "./Tokens";
import { Trainer } from "./Trainer";
import { TrainerUploadModal } from "./TrainerUploadModal";
import { ValidationProgress } from "./ValidationProgress";

/** App shows the place that the address names, to whom the session belongs. */
export function App() {
  const [about, setAbout] = useState<About>();
  const [me, setMe] = useState<Me | null>(); // null: nobody is logged in
  const [ended, setEnded] = useState(false); // the session, while the page was open
  const [problem, setProblem] = useState<Problem>();
  const known = useRef<string>(undefined);

  const load = useCallback(async () => {
    try {
      setAbout(await ask<About>("GET", "/api/v1/about"));
      const now = await ask<Me>("GET", "/api/v1/me");
      if (known.current !== undefined && known.current !== now.name) location.reload(); // another tab logged in as somebody else
      known.current = now.name;
      setMe(now);
      setEnded(false);
      setProblem(undefined);
    } catch (error) {
      const why = asProblem(error);
      if (why.status === 401) setMe((m) => m ?? null);
      else setProblem(why);
    }
  }, []);
  useEffect(() => {
    void load();
    const heard = onSessionEnd(() => setEnded(known.current !== undefined));
    const seen = whenSeen(() => void load());
    return () => { heard(); seen(); };
  }, [load]);

  const [unseen, look] = useUnseen(me?.name);

  return (
    <>
      <a className="skip" href="#main">Skip to the content</a>
      <header className="top">
        <Link to={{}} className="brand">Trainer hub</Link>
        {me && <Menu me={me} unseen={unseen} onProblem={setProblem} />}
      </header>
      <main id="main" tabIndex={-1}>
        <Said problem={problem} />
        {ended && me && <Ended about={about} name={me.name} />}
        {me === null && <Login about={about} />}
        {me && about && <Bug><Inside me={me} about={about} onSeen={look} /></Bug>}
      </main>
    </>
  );
}

/** useUnseen counts what one was told and has not looked at. */
function useUnseen(name?: string): [string, () => void] {
  const [unseen, setUnseen] = useState("");
  const look = useCallback(() => {
    askList<Notification>(notifications).then(({ list, next }) => {
      const count = list.filter((n) => !n.seen).length;
      setUnseen(count === 0 ? "" : next && count === list.length ? `${count} or more new` : `${count} new`);
    }, () => {}); // the next look may have it
  }, []);
  useEffect(() => {
    if (!name) return;
    look();
    return whenSeen(look);
  }, [name, look]);
  return [unseen, look];
}

/** Bug is shown in place of a blank page when this page does not understand an answer, of a hub that is newer for example. */
class Bug extends Component<{ children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {};
  static getDerivedStateFromError = (error: Error) => ({ error });
  override render() {
    const { error } = this.state;
    return error ? <Said problem={new Problem(0, `This page met a bug of its own: ${error.message}. Load it again; nothing on the hub is changed by it.`)} /> : this.props.children;
  }
}

function Menu({ me, unseen, onProblem }: { me: Me; unseen: string; onProblem: (p: Problem) => void }) {
  const leave = async () => {
    try {
      await ask("POST", "/logout");
      location.assign("/");
    } catch (error) {
      onProblem(asProblem(error));
    }
  };
  return (
    <nav aria-label="Pages">
      <Link to={{ page: "trainers" }}>Trainers</Link>
      <Link to={{ page: "notifications" }}>Notifications{unseen && ` (${unseen})`}</Link>
      <Link to={{ page: "tokens" }}>Tokens</Link>
      {me.operator && <Link to={{ page: "appeals" }}>Appeals</Link>}
      {me.operator && <Link to={{ page: "audit" }}>Audit log</Link>}
      <span className="who"><Theirs>{me.name}</Theirs>{me.operator && me.name !== "operator" && " (operator)"}</span>
      <button type="button" onClick={() => void leave()}>Log out</button>
    </nav>
  );
}

function Inside({ me, about, onSeen }: { me: Me; about: About; onSeen: () => void }) {
  const [place, go] = usePlace();
  const [uploading, setUploading] = useState<File | true>();
  useDroppedFile(setUploading);
  useTitle(place);
  const upload = () => setUploading(true);
  return (
    <>
      {place.submission ? <ValidationProgress key={place.submission} id={place.submission} me={me} onUpload={upload} />
        : place.trainer ? <Trainer key={`${place.trainer} ${place.version}`} name={place.trainer} version={place.version} />
        : place.page === "trainers" ? <Catalogue />
        : place.page === "notifications" ? <Notifications onSeen={onSeen} />
        : place.page === "tokens" ? <Tokens />
          : place.page === "audit" ? <Audit />
            : place.page === "appeals" ? <Appeals />
            : <Submissions me={me} onUpload={upload} />}
      {uploading && (
        <TrainerUploadModal
          first={uploading === true ? undefined : uploading} about={about} me={me} onClose={() => setUploading(undefined)}
          onSent={(id) => { setUploading(undefined); go({ submission: id }); }}
        />
      )}
    </>
  );
}

/** useTitle names the window, so that tabs can be told apart and a screen reader says where it is. */
function useTitle(place: Place) {
  const name = place.page === "trainers" ? "Trainers" : place.page === "notifications" ? "Notifications" : place.page === "tokens" ? "API tokens" : place.page === "audit" ? "Audit log" : place.page === "appeals" ? "Appeals" : "My submissions";
  useEffect(() => { if (!place.submission && !place.trainer) document.title = `${name} · Trainer hub`; }, [place.submission, place.trainer, name]);
}

/** useDroppedFile takes a file that is dropped anywhere; without it the browser would leave the page for the file. */
function useDroppedFile(take: (file: File) => void) {
  useEffect(() => {
    const over = (e: DragEvent) => e.preventDefault();
    const drop = (e: DragEvent) => {
      e.preventDefault();
      const file = e.dataTransfer?.files[0];
      if (file && !document.querySelector("dialog[open]")) take(file);
    };
    window.addEventListener("dragover", over);
    window.addEventListener("drop", drop);
    return () => { window.removeEventListener("dragover", over); window.removeEventListener("drop", drop); };
  }, [take]);
}

const linkHelp = <>Ask the hub's operator for a link (<code>trainer-hub link NAME</code>), or open the one that the hub printed at its start. It works once.</>;

function Login({ about }: { about?: About }) {
  const refused = new URLSearchParams(location.search).get("login");
  return (
    <section className="card narrow">
      <h1>Log in</h1>
      {refused && <Said problem={new Problem(401, refusals.get(refused) ?? "The login did not work. Try it again.")} />}
      {about?.login && <p><a className="button first" href={here("/login/oidc")}>Log in with {about.login}</a></p>}
      <p>{linkHelp}</p>
    </section>
  );
}

const refusals = new Map(Object.entries({
  link: "The link was used already, or is older than 15 minutes. Ask for a new one.",
  denied: "The login was refused by the provider, or broken off there.",
  expired: "The login took too long, or was begun in another browser. Try it again.",
  domain: "This hub is not open to your account. Ask its operator.",
  away: "The login provider cannot be reached, or its answer is not valid. Try it later, or ask the hub's operator to look into its log.",
  hub: "The provider let you in, but the hub's own database cannot be reached. Try it again in a moment, or ask the hub's operator.",
}));

/** Ended keeps the page as it is, with whatever was typed into it, while somebody logs in elsewhere. */
function Ended({ about, name }: { about?: About; name: string }) {
  return (
    <div className="said bad" role="alert">
      Your session has ended. Log in as <Theirs>{name}</Theirs> in another tab, then go on here: {about?.login
        ? <a href="/login/oidc" target="_blank" rel="noopener">log in with {about.login}</a> : linkHelp}
    </div>
  );
}

/** here asks to come back to this place after a login. */
const here = (to: string) => { const from = placeOnly(); return from ? `${to}?to=${encodeURIComponent(from)}` : to; };
const placeOnly = () => { const id = new URLSearchParams(location.search).get("submission"); return id ? `/?submission=${encodeURIComponent(id)}` : ""; };
