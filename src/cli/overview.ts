/** What help and manual say of the program as a whole. */

/** Command lines, and below each what it does. */
export const firstExamples = `  sheepfs mount /mnt/sheep -s node1:7000
      shows the cluster of node1 under /mnt/sheep
  echo test > /mnt/sheep/vdi/mount
      attaches the VDI 'test': its bytes are the file /mnt/sheep/volume/test
  sheepfs umount /mnt/sheep
      flushes, detaches and unmounts
  sheepfs serve --webdav :8080 -s node1:7000
      the same tree over WebDAV, for hosts without FUSE; says how to log in`;

export const legacyNote = `Without a command, 'sheepfs [-a ADDR] [-p PORT] [-k] [-d] [-f] [-o] MOUNTPOINT' mounts as the
original sheepfs does. 'sheepfs --version' prints version and commit.`;

export const environment: readonly (readonly [string, string])[] = [
  ["SHEEPFS_SHEEP", "sheep to talk to when no option says so: HOST:PORT[,HOST:PORT]..."],
  ["SHEEPFS_LOG", "least important messages that are logged: error, warn, info (default) or debug"],
];

export const exitCodes: readonly (readonly [number, string])[] = [
  [0, "done"],
  [1, "refused"],
  [2, "cluster trouble"],
  [3, "exists"],
  [4, "full"],
  [5, "missing"],
  [6, "something was found by a check"],
  [64, "wrong command line"],
  [130, "interrupted"],
];
