//! Calls about relations and the bags on them.

use std::collections::BTreeMap;

use super::super::databag::to_yaml_safe_json;
use super::super::{Databag, RelationId};
use super::{ToolError, Tools};

impl Tools {
    /// Lists the relations of an endpoint; one that is being broken is not among them.
    pub async fn relation_ids(&self, endpoint: &str) -> Result<Vec<RelationId>, ToolError> {
        let ids: Option<Vec<String>> = self
            .ask("relation-ids", &["--format=json", "--", endpoint])
            .await?;
        let ids = ids.unwrap_or_default();
        Ok(ids.iter().filter_map(|id| RelationId::parse(id)).collect())
    }

    /// Lists the units at the other end of a relation.
    pub async fn relation_list(&self, relation: &RelationId) -> Result<Vec<String>, ToolError> {
        let units: Option<Vec<String>> = self
            .ask("relation-list", &["-r", relation.as_str(), "--format=json"])
            .await?;
        Ok(units.unwrap_or_default())
    }

    /// Tells which application is at the other end of a relation; none while that is not known.
    pub async fn relation_app(&self, relation: &RelationId) -> Result<Option<String>, ToolError> {
        let app: Option<String> = self
            .ask(
                "relation-list",
                &["-r", relation.as_str(), "--app", "--format=json"],
            )
            .await?;
        Ok(app.filter(|app| !app.is_empty()))
    }

    /// Reads what an application has published on a relation.
    ///
    /// Only a leader may read its own application's bag, except on a peer relation.
    pub async fn relation_get(
        &self,
        relation: &RelationId,
        app: &str,
    ) -> Result<Databag, ToolError> {
        let arguments = [
            "-r",
            relation.as_str(),
            "--app",
            "--format=json",
            "--",
            "-",
            app,
        ];
        let settings: Option<BTreeMap<String, String>> =
            self.ask("relation-get", &arguments).await?;
        Ok(settings.unwrap_or_default().into())
    }

    /// Publishes settings in our application's bag when this run ends well; an empty value deletes a key.
    ///
    /// Only a leader may.
    pub async fn relation_set_app(
        &self,
        relation: &RelationId,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), ToolError> {
        let arguments = ["-r", relation.as_str(), "--app", "--file", "-"];
        let input = to_yaml_safe_json(settings);
        self.call("relation-set", &arguments, Some(&input))
            .await
            .map(drop)
    }
}
