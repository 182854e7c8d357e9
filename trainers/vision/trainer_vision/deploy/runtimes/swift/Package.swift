// swift-tools-version:5.7
import PackageDescription

let package = Package(
    name: "ModelWrapper",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "ModelWrapper", targets: ["ModelWrapper"])],
    targets: [
        .target(name: "ModelWrapper"),
        .executableTarget(name: "Example", dependencies: ["ModelWrapper"]),
    ]
)
