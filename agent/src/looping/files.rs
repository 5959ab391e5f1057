//! Which files and folders of the server wake the loop.

use super::Loop;
use crate::wake::Watched;
use crate::web_server::WebServer;

impl<W: WebServer + 'static> Loop<W> {
    pub(super) fn watch_files(&mut self) {
        let (Some(files), Some(desired)) = (&mut self.files, self.agent.desired()) else {
            return;
        };
        let hands = self.agent.hands();
        let live = hands.live.path();
        let mut watched = Watched::default();
        watched.files.extend(
            desired
                .live_files()
                .map(|(path, _)| live.join(path.as_str())),
        );
        // Also those of a version before, which may run on.
        let ledger = hands.ledger.borrow();
        let ours = ledger.get().files.iter();
        watched
            .files
            .extend(ours.map(|path| live.join(path.as_str())));
        watched.files.insert(self.agent.pause.path());
        watched.folders.extend(hands.web.folders());
        let host = desired.host.host.as_ref();
        watched
            .files
            .extend(host.into_iter().flat_map(|host| hands.host.watched(host)));
        for instance in desired.instances.keys() {
            watched.folders.insert(hands.secrets.folder(instance));
        }
        files.watch(watched);
    }
}
