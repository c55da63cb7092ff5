// The binary of this platform by a static require, one line each: bundlers see and carry it.
function requirePrebuilt(): unknown {
  switch (`${process.platform}-${process.arch}`) {
    case 'linux-x64':
      return isMusl()
        ? require('../../prebuilds/linux-x64/lapidary.musl.node')
        : require('../../prebuilds/linux-x64/lapidary.glibc.node');
    case 'linux-arm64':
      return isMusl()
        ? require('../../prebuilds/linux-arm64/lapidary.musl.node')
        : require('../../prebuilds/linux-arm64/lapidary.glibc.node');
    case 'darwin-arm64':
      return require('../../prebuilds/darwin-arm64/lapidary.node');
    case 'darwin-x64':
      return require('../../prebuilds/darwin-x64/lapidary.node');
    default:
      throw new Error(`no prebuilt binary is published for ${process.platform}-${process.arch}`);
  }
}

function isMusl(): boolean {
  const report = process.report as unknown as {
    excludeNetwork?: boolean;
    getReport(): { header?: { glibcVersionRuntime?: string } };
  };
  report.excludeNetwork = true; // without it, making the report may look up host names
  return process.platform === 'linux' && !report.getReport().header?.glibcVersionRuntime;
}

export = { requirePrebuilt };
