// What the backup and restore Jobs run: POSIX sh with MongoDB's tools, coreutils' sha256sum and, where there is a
// bucket, AWS's command line. Each can be run by hand with the variables that it names.
//
// A backup is a folder: manifest.json (what, when, of which versions, each part with its size and SHA-256),
// manifest.sha256 over that, and `dump`, which is mongodump's own layout. Files and not one archive, because an
// archive cannot be restored with its oplog and without its users: those belong to the environment, and its
// passwords may have changed since.
import { databases } from "./processes.ts";

/** Where the Jobs' volumes are mounted. Variables of the same purpose may say otherwise. */
export const backupFolders = {
	backups: "/backups",
	/** A file `tools.yaml` with the connection string: arguments and variables would show it. */
	configuration: "/etc/impresario/backup",
} as const;

/** Databases that are dumped where the whole server may not be read. */
export const dumpedDatabases: readonly string[] = [...databases, "impresario"];

const prelude = `set -eu
umask 077
: "\${BACKUPS:=${backupFolders.backups}}"
: "\${TOOLS_CONFIG:=${backupFolders.configuration}/tools.yaml}"
: "\${TERMINATION_LOG:=/dev/termination-log}"
: "\${RESULT:=$TERMINATION_LOG}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

say() { echo "$*" >&2; }
# The reason is for a program, the words are for a person. Both become JSON, so they lose what would end a text.
fail() {
  words=$(printf '%s' "$2" | tr '\\n\\t\\r' '   ' | tr -d '"\\\\' | sed 's#://[^@/ ]*@#://#g' | cut -c1-1500)
  say "$words"
  printf '{"reason": "%s", "error": "%s"}' "$1" "$words" >"$TERMINATION_LOG"
  exit 1
}
# The last words of a tool that failed.
last_words() { tail -n 3 "$1"; }
`;

/** Dumps the databases into the folder of backups, checks nothing of the old ones, and lets go of those that are too old. */
export const backupScript = `${prelude}
name=$(date -u +%Y%m%dT%H%M%SZ)-\${POD_NAME##*-}
taken=$(date -u +%Y-%m-%dT%H:%M:%SZ)
work=$BACKUPS/.$name.partial
mkdir -p "$BACKUPS"
# What a Job that was ended left behind.
find "$BACKUPS" -mindepth 1 -maxdepth 1 -type d -name '.*.partial' -mmin +1440 -exec rm -rf {} +
mkdir -p "$work/dump"
give_up() { rm -rf "$work"; fail "$1" "$2"; }

# A dump is of one moment only with the oplog, which just a replica set has. Asked by reading nothing from it, within
# a time: the tools take a time-out of the connection string, which is in milliseconds, for seconds.
if timeout -k 1 "\${PROBE_SECONDS:-120}" mongodump --config "$TOOLS_CONFIG" --db=local --collection=oplog.rs --archive=/dev/null \\
  --query='{"ts": {"$gt": {"$timestamp": {"t": 4294967295, "i": 1}}}}' 2>"$tmp/probe"; then
  if grep -q 'does not exist' "$tmp/probe"; then scope=server oplog=false; else scope=server oplog=true; fi
elif grep -qi 'not authorized' "$tmp/probe"; then
  scope=databases oplog=false
else
  give_up unreachable "MongoDB cannot be read: $(last_words "$tmp/probe")"
fi

dump() { mongodump --config "$TOOLS_CONFIG" --gzip --out="$work/dump" "$@" 2>"$tmp/dump" || give_up tools "mongodump failed: $(last_words "$tmp/dump")"; }
say "dumping: scope $scope, oplog $oplog"
if [ "$oplog" = true ]; then dump --oplog
elif [ "$scope" = server ]; then dump
else for database in $DATABASES; do dump --db="$database"; done
fi
# Users and settings belong to the environment, not to its data.
rm -rf "$work/dump/admin" "$work/dump/config"

cd "$work"
find dump -type f | LC_ALL=C sort >"$tmp/files"
bytes=0 parts=0
: >"$tmp/parts"
while read -r file; do
  size=$(wc -c <"$file" | tr -d ' ')
  sum=$(sha256sum <"$file" | cut -c1-64)
  [ "$parts" -eq 0 ] || printf ',\\n' >>"$tmp/parts"
  printf '    {"file": "%s", "bytes": %s, "sha256": "%s"}' "$file" "$size" "$sum" >>"$tmp/parts"
  bytes=$((bytes + size)) parts=$((parts + 1))
done <"$tmp/files"
cat >manifest.json <<END
{
  "name": "$name",
  "environment": "$ENVIRONMENT",
  "namespace": "$NAMESPACE",
  "takenAt": "$taken",
  "release": "$RELEASE",
  "image": "$SERVER_IMAGE",
  "maestroVersion": "$MAESTRO_VERSION",
  "mongodbVersion": "$MONGODB_VERSION",
  "scope": "$scope",
  "oplog": $oplog,
  "bytes": $bytes,
  "parts": [
$(cat "$tmp/parts")
  ]
}
END
sha256sum <manifest.json | cut -c1-64 >manifest.sha256
cd "$BACKUPS"
# Appears whole or not at all.
mv "$work" "$name"
# The one just made is never among them.
find "$BACKUPS" -mindepth 1 -maxdepth 1 -type d ! -name '.*' -mtime "+$RETENTION_DAYS" -exec rm -rf {} +
say "made $name: $parts parts, $bytes bytes"
printf '{"name": "%s", "takenAt": "%s", "bytes": %s, "parts": %s, "oplog": %s, "sha256": "%s"}' \\
  "$name" "$taken" "$bytes" "$parts" "$oplog" "$(cat "$name/manifest.sha256")" >"$RESULT"
`;

/**
 * Checks all of a backup before it touches anything, then puts it in place of what is there. BEFORE names the backup that
 * was made just before: of the collections that only that one knows, nothing is left.
 */
export const restoreScript = `${prelude}
case \${BACKUP:-} in '' | .* | */*) fail missing "A backup's name must be given." ;; esac
from=$BACKUPS/$BACKUP
[ -d "$from" ] || fail missing "There is no backup $BACKUP."
damaged() { fail damaged "The backup $BACKUP is damaged: $1. Nothing was restored."; }

[ -f "$from/manifest.json" ] && [ -f "$from/manifest.sha256" ] || damaged "its manifest is missing"
[ "$(sha256sum <"$from/manifest.json" | cut -c1-64)" = "$(cat "$from/manifest.sha256")" ] || damaged "its manifest is not the one that was written"
sed -n 's/^    {"file": "\\(.*\\)", "bytes": [0-9]*, "sha256": "\\([0-9a-f]\\{64\\}\\)"},*$/\\2  \\1/p' "$from/manifest.json" >"$tmp/sums"
cd "$from"
if [ -s "$tmp/sums" ] && ! sha256sum -c "$tmp/sums" >"$tmp/checked" 2>&1; then
  damaged "$(grep -c ': FAILED' "$tmp/checked") parts are missing or not as they were written, the first is $(sed -n 's/: FAILED.*//p' "$tmp/checked" | head -n 1)"
fi
[ "$(find dump -type f | wc -l)" -eq "$(wc -l <"$tmp/sums")" ] || damaged "it holds files that its manifest does not name"

field() { sed -n "s/^  \\"$1\\": \\"*\\([^\\"]*\\)\\"*,\\$/\\1/p" manifest.json; }
minor() { printf '%s' "$1" | cut -d. -f1,2; }
other_version() { [ "\${ALLOW_OTHER_VERSION:-}" = true ] || fail other_version "The backup $BACKUP is of $1. Nothing was restored."; }
# The same image needs no version: an image may be named by its digest alone.
if [ "$(field image)" != "$SERVER_IMAGE" ]; then
  was=$(field maestroVersion)
  if [ -z "$was" ] || [ -z "$MAESTRO_VERSION" ]; then
    other_version "the image $(field image), and here runs $SERVER_IMAGE: whether they are of one minor version is not known"
  elif [ "$(minor "$was")" != "$(minor "$MAESTRO_VERSION")" ]; then
    other_version "Maestro $was, and here runs $MAESTRO_VERSION"
  fi
fi
was=$(field mongodbVersion)
[ "$(minor "$was")" = "$(minor "$MONGODB_VERSION")" ] || other_version "MongoDB $was, and here runs $MONGODB_VERSION"

# The names of what is dumped, from paths. MongoDB keeps those of the system itself.
collections() { sed -n 's#^\\(.*/\\)*dump/\\([^/]*/[^/]*\\.bson\\.gz\\)$#\\2#p' | sed '/\\/system\\./d' | LC_ALL=C sort -u; }
if [ -n "\${BEFORE:-}" ]; then
  if [ -f "$BACKUPS/.before" ]; then collections <"$BACKUPS/.before" >"$tmp/before"
  elif [ -d "$BACKUPS/$BEFORE/dump" ]; then find "$BACKUPS/$BEFORE/dump" -type f | collections >"$tmp/before"
  else fail missing "There is no backup $BEFORE, the one from just before this restore. Nothing was restored."
  fi
  find dump -type f | collections >"$tmp/collections"
fi

if [ -s "$tmp/sums" ]; then
  replay=
  [ -f dump/oplog.bson ] && replay=--oplogReplay
  # RESTORE_OPTIONS is for a server that cannot do all that MongoDB can.
  # shellcheck disable=SC2086
  mongorestore --config "$TOOLS_CONFIG" --gzip --drop --stopOnError $replay \${RESTORE_OPTIONS:-} --dir=dump 2>"$tmp/restore" ||
    fail tools "mongorestore failed half-way: $(last_words "$tmp/restore")"
fi
# What came after the backup is in none of its parts, so nothing above replaced it. The backup that was just made of all that
# was there has its names; a collection without documents takes the place of each.
if [ -n "\${BEFORE:-}" ]; then
  LC_ALL=C comm -23 "$tmp/before" "$tmp/collections" | while read -r file; do
    mkdir -p "$tmp/later/$(dirname "$file")"
    gzip -c </dev/null >"$tmp/later/$file"
  done
  if [ -d "$tmp/later" ]; then
    # shellcheck disable=SC2086
    mongorestore --config "$TOOLS_CONFIG" --gzip --drop --stopOnError \${RESTORE_OPTIONS:-} --dir="$tmp/later" 2>"$tmp/restore" ||
      fail tools "mongorestore failed at what came after the backup: $(last_words "$tmp/restore")"
  fi
fi
say "restored $BACKUP"
printf '{"name": "%s", "takenAt": "%s", "bytes": %s, "parts": %s}' "$BACKUP" "$(field takenAt)" "$(field bytes)" "$(wc -l <"$tmp/sums" | tr -d ' ')" >"$RESULT"
`;

/** Carries the backup that lies in the folder of backups into the bucket. The manifest comes last: without it there is none. */
export const uploadScript = `${prelude}
name=$(sed -n 's/^{"name": "\\([^"]*\\)".*/\\1/p' "$BACKUPS/.result")
[ -n "$name" ] || fail tools "There is no backup to carry into the bucket."
put() { aws s3 cp --only-show-errors "$@" 2>"$tmp/aws" || fail bucket "The bucket $BUCKET cannot be written: $(last_words "$tmp/aws")"; }
put --recursive "$BACKUPS/$name/dump" "s3://$BUCKET/$name/dump"
put "$BACKUPS/$name/manifest.sha256" "s3://$BUCKET/$name/manifest.sha256"
put "$BACKUPS/$name/manifest.json" "s3://$BUCKET/$name/manifest.json"
cat "$BACKUPS/.result" >"$TERMINATION_LOG"
`;

/** Fetches one backup from the bucket into the folder of backups, and the names of what is in the one called BEFORE. */
export const downloadScript = `${prelude}
case \${BACKUP:-} in '' | .* | */*) fail missing "A backup's name must be given." ;; esac
mkdir -p "$BACKUPS/$BACKUP/dump"
aws s3 cp --only-show-errors --recursive "s3://$BUCKET/$BACKUP" "$BACKUPS/$BACKUP" 2>"$tmp/aws" ||
  fail bucket "The bucket $BUCKET cannot be read: $(last_words "$tmp/aws")"
[ -f "$BACKUPS/$BACKUP/manifest.json" ] || fail missing "There is no backup $BACKUP in the bucket."
if [ -n "\${BEFORE:-}" ]; then
  # Date, time, size and key.
  aws s3 ls --recursive "s3://$BUCKET/$BEFORE/dump/" 2>"$tmp/aws" >"$tmp/listed" ||
    fail missing "There is no backup $BEFORE in the bucket, the one from just before this restore. Nothing was restored."
  sed 's/^ *[^ ]* *[^ ]* *[^ ]* *//' "$tmp/listed" >"$BACKUPS/.before"
fi
`;
