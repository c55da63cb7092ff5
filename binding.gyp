{
  "includes": ["native/sources.gypi"],
  "targets": [
    {
      "target_name": "lapidary",
      "sources": ["<@(lapidary_sources)", "<@(lapidary_binding_sources)"],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_CPP_EXCEPTIONS", "NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED"],
      # Node's own flags go: what is published is compiled exactly as CMakeLists.txt compiles what is tested, and a compiler
      # cache serves both. No file is opened here, so neither does the size of offsets matter.
      "defines!": ["_FILE_OFFSET_BITS=64", "_LARGEFILE_SOURCE"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags!": ["-O3", "-fPIC", "-fno-omit-frame-pointer", "-m64", "-pthread", "-Wall", "-Wextra", "-Wno-unused-parameter"],
      "cflags_cc": ["<@(lapidary_cflags)", "-std=c++20"],
      "ldflags": [
        "-Wl,-z,nodelete",
        "-Wl,--gc-sections",
        "-Wl,--version-script=<(module_root_dir)/native/exports.map"
      ],
      "xcode_settings": {
        "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "MACOSX_DEPLOYMENT_TARGET": "11.0",
        "OTHER_CPLUSPLUSFLAGS": ["<@(lapidary_cflags)"]
      }
    }
  ]
}
